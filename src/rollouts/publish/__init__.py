"""Other people's servers, through their own programs; knows rows and names, never the catalog."""

"""What goes out of the house: sessions as others read them."""

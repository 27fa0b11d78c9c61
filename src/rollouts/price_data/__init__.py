"""The prices of models that the package `genai-prices` carries, read without importing that package."""

"""Date and number formats of languages where Django has none or others."""

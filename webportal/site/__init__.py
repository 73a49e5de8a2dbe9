"""The portal as a whole: URLs, error pages, navigation, language, the start page."""

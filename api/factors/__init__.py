"""The second factor: setting it up, showing it again, turning it off."""

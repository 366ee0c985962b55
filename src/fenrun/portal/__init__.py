"""The portal: everyone sees what concerns them, nobody sees more. Pages and an API over what was settled, and the acts that people do there."""

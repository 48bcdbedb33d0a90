"""Reports: curves, pictures of a policy at work, and the page that shows both."""

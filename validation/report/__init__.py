"""What the stored networks of a suite say of the theory: numbers, and the page that shows them."""

"""How far a compiled result may lie from eager's, and what a comparison comes to."""

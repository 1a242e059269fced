"""How far a compiled result may differ from eager's, and the status of a comparison."""

"""When thinking is worth its tokens: the same questions answered with and without, the gate's fit, and the front."""

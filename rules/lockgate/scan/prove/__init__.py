"""The arithmetic that turns numbers into proof, one module per family of algorithms.

Rules enforced here:

1. Cheap checks come before dear ones: a decoy must cost about a microsecond.
2. Fingerprints are computed from the *private* numbers, never from a neighbouring
   certificate, as SHA-256 of the SubjectPublicKeyInfo DER (RFC 5280, section 4.1.2.7).
"""

/**
 * A self-signed certificate for localhost and 127.0.0.1, valid for a hundred years, and its key. It was made for the
 * tests of this package with openssl and protects nothing.
 */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBaDCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMAK7JiM0PBu2hjf
HXis+ztIG8DDbOuVl4dX+sdstzNTt7M2G+pmkX2nMiEsskFVxWLQpGRBzTcnD9LA
2IFKYXOjTjBMMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MB0GA1UdDgQWBBSRdBwToGARa/INm/jFCyV5txhnTzAKBggqhkjOPQQD
AgNJADBGAiEAtDhkrgv6WmB9TEWrJUvTd9mxY1SWGkizWhZr/X4d3j0CIQDmUe7w
6XTdCTBaDZS511ntXCOlgShpv2c9FNi2mFF0ig==
-----END CERTIFICATE-----
`

export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6npqdIE8qjP64hpG
t4fN8l1jMxDR+/JOCKqikTqetgmhRANCAATACuyYjNDwbtoY3x14rPs7SBvAw2zr
lZeHV/rHbLczU7ezNhvqZpF9pzIhLLJBVcVi0KRkQc03Jw/SwNiBSmFz
-----END PRIVATE KEY-----
`

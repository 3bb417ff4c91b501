/**
 * A certificate for `localhost` and 127.0.0.1, signed by itself, for tests of TLS.
 *
 * @module
 */

/** The certificate, which is its own authority. */
export const CERT = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUShuLK7X89FXmf5WmpL2o/32/KFYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTAwMzg0NVoYDzIxMjYxMTA1
MDAzODQ1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASYTMUjHTHGFUheGRGY9UGh+jeBVABAzzG4uIG0zJHjDpbfO/232rLj
xfTYMEn1qcR5pO6+wv+kw/jy25Rsa+dGo28wbTAdBgNVHQ4EFgQUi9grjE1FWD0H
QjpzwaZ8GqUa56wwHwYDVR0jBBgwFoAUi9grjE1FWD0HQjpzwaZ8GqUa56wwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgCazeC/Xbz+gvGtQ2WdIUIIbPQcYMB7LJO2ehIqNRajsCIBjT
Yqlrj2h9miDZs7N9CCzSHgRKo7yWwZJ54ivH9jVk
-----END CERTIFICATE-----
`;

/** Its private key, which protects nothing. */
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgf195wZaNKZsLGE9Z
5KK5eR06R+2hFTC60d9CGuL3MzahRANCAASYTMUjHTHGFUheGRGY9UGh+jeBVABA
zzG4uIG0zJHjDpbfO/232rLjxfTYMEn1qcR5pO6+wv+kw/jy25Rsa+dG
-----END PRIVATE KEY-----
`;

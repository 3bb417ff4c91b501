/** A certificate of `localhost` that signs itself, for a hundred years; nothing outside the tests trusts it. */

/** The certificate. */
export const CERT = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUSUcQ6GOXYZDUNozsOOTdqSwiBu8wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTAwNDA1NloYDzIxMjYxMTA1
MDA0MDU2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATtrh0Zae4skgS11XPHyX9a5NYadczgDAnP2DQORoFapJQ4oRQQPHm+
zMTk5tf4T1L5YxScK4ahY+3qnOr2Nr//o28wbTAdBgNVHQ4EFgQUAn14q31pnMgr
8HedJzUwERX/SrYwHwYDVR0jBBgwFoAUAn14q31pnMgr8HedJzUwERX/SrYwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAPugfRTXGrAWwXYEZVB7qveDvnkyoSUk1WRNqibQuLbmAiB9
wrrK0TUIgmoSc+miNYI82MsexCv4K7fTavSjzx38OA==
-----END CERTIFICATE-----
`;

/** Its private key, which is no secret. */
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDDAdvOvTSwOjNQiu
17Vk8fGW6PCts8ubzyl/OyzY4gehRANCAATtrh0Zae4skgS11XPHyX9a5NYadczg
DAnP2DQORoFapJQ4oRQQPHm+zMTk5tf4T1L5YxScK4ahY+3qnOr2Nr//
-----END PRIVATE KEY-----
`;

/**
 * @file sodium.h
 * @brief libsodium's functions, found when security is first asked for.
 *
 * libsodium is loaded at run time: a host without security needs no libsodium, and does not load it. The
 * types below are compared with libsodium's own where its header is there when this library is built.
 */
#ifndef ENETJS_SODIUM_H
#define ENETJS_SODIUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENETJS_KEY_BYTES 32 /**< of X25519, of a cipher, of a pre-shared key, and of an Ed25519 public key */
#define ENETJS_TAG_BYTES 16 /**< of both ciphers */
#define ENETJS_NONCE_BYTES 12 /**< of both ciphers */
#define ENETJS_HASH_BYTES 64  /**< of BLAKE2b, as Noise has it */
#define ENETJS_SIPHASH_BYTES 8
#define ENETJS_SIPHASH_KEY_BYTES 16
#define ENETJS_SIGNATURE_BYTES 64 /**< of Ed25519 */

/** A cipher with associated data; see Noise, section 12. */
struct enetjs_cipher {
  int (*encrypt)(unsigned char *out, unsigned long long *out_length, const unsigned char *plain,
                 unsigned long long length, const unsigned char *ad, unsigned long long ad_length,
                 const unsigned char *none, const unsigned char *nonce, const unsigned char *key);
  int (*decrypt)(unsigned char *plain, unsigned long long *plain_length, unsigned char *none,
                 const unsigned char *in, unsigned long long length, const unsigned char *ad,
                 unsigned long long ad_length, const unsigned char *nonce, const unsigned char *key);
  bool big_endian; /**< the order in which a number stands in its nonce */
};

struct enetjs_sodium {
  int (*init)(void);
  const char *(*version)(void);
  void (*memzero)(void *bytes, size_t length);
  int (*memcmp)(const void *a, const void *b, size_t length); /**< in constant time; 0: equal */
  int (*scalarmult)(unsigned char *shared, const unsigned char *secret,
                    const unsigned char *public); /**< 0, or −1 */
  int (*scalarmult_base)(unsigned char *public, const unsigned char *secret);
  int (*blake2b)(unsigned char *out, size_t out_length, const unsigned char *in, unsigned long long length,
                 const unsigned char *key, size_t key_length);
  int (*siphash)(unsigned char *out, const unsigned char *in, unsigned long long length,
                 const unsigned char *key);
  int (*verify)(const unsigned char *signature, const unsigned char *in, unsigned long long length,
                const unsigned char *public);
  struct enetjs_cipher chacha; /**< ChaCha20-Poly1305 of RFC 8439 */
  struct enetjs_cipher aes;    /**< AES-256-GCM, where `has_aes` */
  int (*aes_available)(void);
  bool has_aes; /**< the processor has instructions for it */
};

/** Any thread may call it. @returns NULL where libsodium is not found, or cannot be used */
const struct enetjs_sodium *enetjs_sodium(void);

/** Finds another function of the libsodium that is in use. For tests. @returns false when there is none */
bool enetjs_sodium_find(const char *name, void **function);

#endif

/* See sodium.h. What has been loaded stays loaded: sessions of other threads may be using it. */
#include "wire/security/sodium.h"

#if defined(__linux__)

#include <dlfcn.h>

#include "base/threads.h"

#if defined(ENETJS_SODIUM_HEADER)
#include <sodium.h>

/* The compiler refuses a comparison of pointers to functions of different types. */
#define SAME(member, function) (void)sizeof(((struct enetjs_sodium *)0)->member == &function)
static inline void compare_types(void) {
  SAME(init, sodium_init);
  SAME(version, sodium_version_string);
  SAME(memzero, sodium_memzero);
  SAME(memcmp, sodium_memcmp);
  SAME(scalarmult, crypto_scalarmult);
  SAME(scalarmult_base, crypto_scalarmult_base);
  SAME(blake2b, crypto_generichash_blake2b);
  SAME(siphash, crypto_shorthash);
  SAME(chacha.encrypt, crypto_aead_chacha20poly1305_ietf_encrypt);
  SAME(chacha.decrypt, crypto_aead_chacha20poly1305_ietf_decrypt);
  SAME(aes.encrypt, crypto_aead_aes256gcm_encrypt);
  SAME(aes.decrypt, crypto_aead_aes256gcm_decrypt);
  SAME(aes_available, crypto_aead_aes256gcm_is_available);
  SAME(verify, crypto_sign_verify_detached);
}
#endif

static enetjs_once once = ENETJS_ONCE_INIT;
static struct enetjs_sodium table;
static bool usable;

struct function {
  void **member;
  const char *name;
};

#define MEMBER(name) (void **)(void *)&table.name

static bool find(void *library) {
  const struct function functions[] = {
      {MEMBER(init), "sodium_init"},
      {MEMBER(version), "sodium_version_string"},
      {MEMBER(memzero), "sodium_memzero"},
      {MEMBER(memcmp), "sodium_memcmp"},
      {MEMBER(scalarmult), "crypto_scalarmult"},
      {MEMBER(scalarmult_base), "crypto_scalarmult_base"},
      {MEMBER(blake2b), "crypto_generichash_blake2b"},
      {MEMBER(siphash), "crypto_shorthash"},
      {MEMBER(chacha.encrypt), "crypto_aead_chacha20poly1305_ietf_encrypt"},
      {MEMBER(chacha.decrypt), "crypto_aead_chacha20poly1305_ietf_decrypt"},
      {MEMBER(aes.encrypt), "crypto_aead_aes256gcm_encrypt"},
      {MEMBER(aes.decrypt), "crypto_aead_aes256gcm_decrypt"},
      {MEMBER(aes_available), "crypto_aead_aes256gcm_is_available"},
      {MEMBER(verify), "crypto_sign_verify_detached"},
  };
  for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
    *functions[i].member = dlsym(library, functions[i].name);
    if (!*functions[i].member) return false;
  }
  return true;
}

/* A file beside this library comes before the system's, by the library's RUNPATH. */
static void load(void) {
  static const char *const names[] = {"libsodium.so.23", "libsodium.so.26"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !usable; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    usable = library && find(library) && table.init() >= 0;
  }
  table.aes.big_endian = true;
  table.has_aes = usable && table.aes_available();
}

const struct enetjs_sodium *enetjs_sodium(void) {
#if defined(ENETJS_SODIUM_HEADER)
  compare_types();
#endif
  enetjs_once_run(&once, load);
  return usable ? &table : NULL;
}

#else

const struct enetjs_sodium *enetjs_sodium(void) {
  return NULL;
} /* datagrams pass this library on Linux only */

#endif

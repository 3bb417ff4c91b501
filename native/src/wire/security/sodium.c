/* See sodium.h. What has been loaded stays loaded: sessions of other threads may be using it. */
#include "wire/security/sodium.h"

#include "base/shared_library.h"
#include "base/threads.h"

#if defined(_WIN32)
#define NAMES "libsodium-26.dll", "libsodium-23.dll", "libsodium.dll"
#elif defined(__APPLE__)
#define NAMES "libsodium.26.dylib", "libsodium.23.dylib"
#else
#define NAMES "libsodium.so.23", "libsodium.so.26"
#endif

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
static void *library;
static bool usable;

struct function {
  void **member;
  const char *name;
};

#define MEMBER(name) (void **)(void *)&table.name

static bool find(void) {
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
    *functions[i].member = enetjs_shared_library_symbol(library, functions[i].name);
    if (!*functions[i].member) return false;
  }
  return true;
}

static void load(void) {
  static const char *const names[] = {NAMES};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !usable; i++) {
    library = enetjs_shared_library_open(names[i]);
    usable = library && find() && table.init() >= 0;
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

bool enetjs_sodium_find(const char *name, void **function) {
  *function = enetjs_sodium() ? enetjs_shared_library_symbol(library, name) : NULL;
  return *function != NULL;
}

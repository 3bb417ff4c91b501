/*
 * See cookie.h. A cookie is its generation, the time in milliseconds, and a SipHash of all that it depends
 * on. The generations of the two kinds are never the same, so a cookie is checked as one kind only.
 */
#include "wire/security/cookie.h"

#include <string.h>

#include "base/random.h"
#include "wire/security/bytes.h"

#define SUBJECT_BYTES 62
#define RESUMPTION_BYTES 24 /* of these: without port, index and key */
#define FIRST_RESUMPTION 0x80000000u

static uint32_t lifetime_ms(const struct enetjs_cookies *cookies) {
  return cookies->resumption ? 3600000 : 4000;
}

static uint64_t secret_us(const struct enetjs_cookies *cookies) {
  return cookies->resumption ? 3600000000u : 120000000u;
}

/* Draws the next secret when the one in use is old. A host that was not asked for long has neither. */
static void renew(struct enetjs_cookies *cookies, uint64_t now_us) {
  uint64_t age = now_us - cookies->drawn_us;
  bool first = cookies->drawn_us == 0;
  if (!first && age < secret_us(cookies)) return;
  if (first && cookies->resumption) cookies->generation = FIRST_RESUMPTION;
  if (first || age >= 2 * secret_us(cookies)) enetjs_random(cookies->secrets, sizeof(cookies->secrets));
  cookies->generation++;
  enetjs_random(cookies->secrets[cookies->generation % 2], ENETJS_SIPHASH_KEY_BYTES);
  cookies->drawn_us = now_us;
}

static void sign(const struct enetjs_cookies *cookies, const struct enetjs_cookie_subject *subject,
                 uint8_t cookie[ENETJS_COOKIE_BYTES]) {
  uint8_t in[SUBJECT_BYTES];
  memcpy(in, cookie, 8);
  enetjs_put_u64(in + 8, subject->from->high);
  enetjs_put_u64(in + 16, subject->from->low);
  if (!cookies->resumption) {
    in[24] = (uint8_t)(subject->from->port >> 8);
    in[25] = (uint8_t)subject->from->port;
    memcpy(in + 26, subject->index, 4);
    memcpy(in + 30, subject->ephemeral, ENETJS_KEY_BYTES);
  }
  enetjs_sodium()->siphash(cookie + 8, in, cookies->resumption ? RESUMPTION_BYTES : sizeof(in),
                           cookies->secrets[enetjs_get_u32(cookie) % 2]);
}

void enetjs_cookie_make(struct enetjs_cookies *cookies, const struct enetjs_cookie_subject *subject,
                        uint64_t now_us, uint8_t cookie[ENETJS_COOKIE_BYTES]) {
  renew(cookies, now_us);
  enetjs_put_u32(cookie, cookies->generation);
  enetjs_put_u32(cookie + 4, (uint32_t)(now_us / 1000));
  sign(cookies, subject, cookie);
}

bool enetjs_cookie_check(struct enetjs_cookies *cookies, const struct enetjs_cookie_subject *subject,
                         uint64_t now_us, const uint8_t cookie[ENETJS_COOKIE_BYTES]) {
  uint32_t generation = enetjs_get_u32(cookie), made_ms = enetjs_get_u32(cookie + 4);
  uint8_t expected[ENETJS_COOKIE_BYTES];
  renew(cookies, now_us);
  if (cookies->generation - generation > 1 || (uint32_t)(now_us / 1000) - made_ms > lifetime_ms(cookies))
    return false;
  memcpy(expected, cookie, 8);
  sign(cookies, subject, expected);
  return enetjs_sodium()->memcmp(expected, cookie, sizeof(expected)) == 0;
}

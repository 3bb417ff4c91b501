/*
 * Names and numbers of network interfaces, for the zones of link-local IPv6 addresses. Any thread may call
 * these.
 */
#include <string.h>

#include "enetjs.h"

#if defined(_WIN32)

/* No socket is one of IPv6 there, see open.c. */
double enetjs_interface_number(const uint8_t *name, double bytes) {
  (void)name, (void)bytes;
  return 0;
}

double enetjs_interface_name(double number, uint8_t *out, double capacity) {
  (void)number, (void)out, (void)capacity;
  return 0;
}

#else

#include <net/if.h>

#include "base/number.h"

double enetjs_interface_number(const uint8_t *name, double bytes) {
  char text[IF_NAMESIZE] = {0};
  if (!name || !enetjs_is_integer(bytes, 1, sizeof(text) - 1)) return 0;
  memcpy(text, name, (size_t)bytes);
  return if_nametoindex(text);
}

double enetjs_interface_name(double number, uint8_t *out, double capacity) {
  char text[IF_NAMESIZE];
  size_t length;
  if (!out || !enetjs_is_integer(number, 1, UINT32_MAX) || !if_indextoname((unsigned)number, text)) return 0;
  length = strlen(text);
  if (!((double)length <= capacity)) return 0;
  memcpy(out, text, length);
  return (double)length;
}

#endif

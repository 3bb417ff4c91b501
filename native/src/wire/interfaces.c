/*
 * Names and numbers of network interfaces, for the zones of link-local IPv6 addresses. Any thread may call
 * these.
 */
#include <string.h>

#include "base/number.h"
#include "enetjs.h"

#if defined(_WIN32)

#include <stdio.h>

/* On Windows the zone of an address is a number, so that is the name. */
double enetjs_interface_number(const uint8_t *name, double bytes) {
  double number = 0;
  if (!name || !enetjs_is_integer(bytes, 1, 10)) return 0;
  for (size_t i = 0; i < (size_t)bytes; i++) {
    if (name[i] < '0' || name[i] > '9') return 0;
    number = number * 10 + (name[i] - '0');
  }
  return number <= UINT32_MAX ? number : 0;
}

double enetjs_interface_name(double number, uint8_t *out, double capacity) {
  char text[16];
  int length;
  if (!out || !enetjs_is_integer(number, 1, UINT32_MAX)) return 0;
  length = snprintf(text, sizeof(text), "%.0f", number);
  if (!(length <= capacity)) return 0;
  memcpy(out, text, (size_t)length);
  return length;
}

#else

#include <net/if.h>

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

/* ICMP messages about datagrams that a host has sent; see unreachable.h. */
#include "wire/unreachable.h"

#if defined(__linux__)

#include <string.h>

#include "wire/sockaddr.h"

#define REPORTS 64 /* that are read in a watch: an attempt to connect sends fewer datagrams */
#define ORIGIN_ICMP 2
#define ORIGIN_ICMP6 3
#define DESTINATION_UNREACHABLE 3
#define DESTINATION_UNREACHABLE6 1
#define FRAGMENTATION_NEEDED 4 /* its code that is about the size of a datagram; ICMPv6 has a type for that */

/* Linux's struct sock_extended_err. */
struct report {
  uint32_t error;
  uint8_t origin, type, code, padding;
  uint32_t information, data;
};

union report_control {
  char bytes[256];
  struct cmsghdr header;
};

/* An IPv6 socket has both, for the IPv4 addresses that it reaches. */
static void set_reports(const struct enetjs_unreachable *watch, ENetSocket socket, int on) {
  (void)setsockopt(socket, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
  if (watch->ipv6) (void)setsockopt(socket, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
}

void enetjs_unreachable_watch(struct enetjs_unreachable *watch, ENetSocket socket) {
  if (watch->left == 0) set_reports(watch, socket, 1);
  watch->left = REPORTS;
}

void enetjs_unreachable_end(struct enetjs_unreachable *watch, ENetSocket socket) {
  int error;
  socklen_t length = sizeof(error);
  if (watch->left == 0) return;
  watch->left = 0;
  set_reports(watch, socket, 0); /* which drops those that have not been read */
  (void)getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length);
}

/*
 * The codes of ICMPv6: no route, prohibited, beyond the scope, address, port, source address, rejected route.
 */
static uint8_t code_of_icmp6(uint8_t code) {
  static const uint8_t codes[] = {0, 13, 0, 1, 3, 13, 13};
  return code < sizeof(codes) ? codes[code] : 1;
}

/* @returns whether it is a report of an unreachable destination */
static bool read_report(const struct report *report, uint8_t *code) {
  *code = report->code;
  if (report->origin == ORIGIN_ICMP)
    return report->type == DESTINATION_UNREACHABLE && report->code != FRAGMENTATION_NEEDED;
  *code = code_of_icmp6(report->code);
  return report->origin == ORIGIN_ICMP6 && report->type == DESTINATION_UNREACHABLE6;
}

static bool read_code(struct msghdr *message, uint8_t *code) {
  struct cmsghdr *part = CMSG_FIRSTHDR(message);
  struct report report;
  for (; part; part = CMSG_NXTHDR(message, part))
    if ((part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR) ||
        (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR)) {
      memcpy(&report, CMSG_DATA(part), sizeof(report));
      return read_report(&report, code);
    }
  return false;
}

bool enetjs_unreachable_next(struct enetjs_unreachable *watch, ENetSocket socket, struct enetjs_endpoint *to,
                             uint8_t *code) {
  while (watch->left > 0) {
    union enetjs_sockaddr address;
    union report_control control;
    struct msghdr message = {0};
    message.msg_name = &address;
    message.msg_namelen = sizeof(address);
    message.msg_control = &control;
    message.msg_controllen = sizeof(control);
    if (recvmsg(socket, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return false;
    if (watch->left == 1)
      enetjs_unreachable_end(watch, socket);
    else
      watch->left--;
    if (message.msg_namelen < sizeof(address.v4) || !read_code(&message, code)) continue;
    *to = enetjs_sockaddr_read(&address);
    return true;
  }
  return false;
}

#else

void enetjs_unreachable_watch(struct enetjs_unreachable *watch, ENetSocket socket) {
  (void)watch, (void)socket;
}
void enetjs_unreachable_end(struct enetjs_unreachable *watch, ENetSocket socket) {
  (void)watch, (void)socket;
}

bool enetjs_unreachable_next(struct enetjs_unreachable *watch, ENetSocket socket, struct enetjs_endpoint *to,
                             uint8_t *code) {
  (void)watch, (void)socket, (void)to, (void)code;
  return false;
}

#endif

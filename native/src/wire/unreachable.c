/* ICMP messages about datagrams that a host has sent; see unreachable.h. */
#include "wire/unreachable.h"

#if defined(__linux__)

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define REPORTS 64 /* that are read in a watch: an attempt to connect sends fewer datagrams */
#define ORIGIN_ICMP 2
#define DESTINATION_UNREACHABLE 3
#define FRAGMENTATION_NEEDED 4 /* its code that is about the size of a datagram */

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

static void set_reports(ENetSocket socket, int on) {
  (void)setsockopt(socket, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
}

void enetjs_unreachable_watch(struct enetjs_unreachable *watch, ENetSocket socket) {
  if (watch->left == 0) set_reports(socket, 1);
  watch->left = REPORTS;
}

void enetjs_unreachable_end(struct enetjs_unreachable *watch, ENetSocket socket) {
  int error;
  socklen_t length = sizeof(error);
  if (watch->left == 0) return;
  watch->left = 0;
  set_reports(socket, 0); /* which drops those that have not been read */
  (void)getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length);
}

/* @returns whether it is a report of an unreachable destination */
static bool read_code(struct msghdr *message, uint8_t *code) {
  struct cmsghdr *part = CMSG_FIRSTHDR(message);
  struct report report;
  for (; part; part = CMSG_NXTHDR(message, part))
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR) {
      memcpy(&report, CMSG_DATA(part), sizeof(report));
      *code = report.code;
      return report.origin == ORIGIN_ICMP && report.type == DESTINATION_UNREACHABLE &&
             report.code != FRAGMENTATION_NEEDED;
    }
  return false;
}

bool enetjs_unreachable_next(struct enetjs_unreachable *watch, ENetSocket socket, ENetAddress *to, uint8_t *code) {
  while (watch->left > 0) {
    struct sockaddr_in address;
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
    if (message.msg_namelen < sizeof(address) || !read_code(&message, code)) continue;
    to->host = address.sin_addr.s_addr;
    to->port = ENET_NET_TO_HOST_16(address.sin_port);
    return true;
  }
  return false;
}

#else

void enetjs_unreachable_watch(struct enetjs_unreachable *watch, ENetSocket socket) { (void)watch, (void)socket; }
void enetjs_unreachable_end(struct enetjs_unreachable *watch, ENetSocket socket) { (void)watch, (void)socket; }

bool enetjs_unreachable_next(struct enetjs_unreachable *watch, ENetSocket socket, ENetAddress *to, uint8_t *code) {
  (void)watch, (void)socket, (void)to, (void)code;
  return false;
}

#endif

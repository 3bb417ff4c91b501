/*
 * Clients behind routers that translate addresses, in network namespaces, for tests of the way through NATs.
 *
 *   enet_routers open KIND:CLIENTS...
 *     makes a router for each argument and a namespace for each of its clients, and passes UDP over IPv4
 *     between them until its stdin is closed. Prints `pid N`, then `client FD ADDRESS` for each client in the
 *     order of the arguments. ADDRESS is that of the router, which others see. At each line of its stdin, all
 *     routers forget their mappings: the clients get other ports, as behind a router that begins anew, or in
 *     another network.
 *   enet_routers run NAMESPACE COMMAND...
 *     runs a command in /proc/PID/fd/FD, see namespaces.h.
 *
 * The kinds, by what RFC 4787 calls mapping and filtering:
 *
 *   open        no translation: the one client has the router's address
 *   full        full cone: a client's port has one public port, which lets everybody in
 *   restricted  restricted cone: the same, which lets in from addresses that the client has sent to
 *   port        port restricted cone: the same, which lets in from addresses and ports that the client has
 *               sent to
 *   symmetric   a public port for each address and port that the client sends to, which lets in from there
 *               alone
 *
 * No router sends a client's datagrams to another client of its own ("hairpinning").
 */
#include "namespaces.h"
#include <stdbool.h>
#include <stdint.h>

#define PACKET_BYTES 2048 /* above the MTU of the devices, which is 1500 */
#define ROUTERS 64
#define CLIENTS 64
#define MAPPINGS 1024
#define SENT 4096
#define FIRST_PUBLIC_PORT 40000
#define UDP 17
#define UDP_HEADER 8

enum kind { OPEN, FULL, RESTRICTED, PORT, SYMMETRIC, KINDS };

static const char *const kind_names[KINDS] = {"open", "full", "restricted", "port", "symmetric"};

struct end {
  uint32_t address; /* both in network byte order */
  uint16_t port;
};

struct router {
  enum kind kind;
  uint32_t address;
  uint16_t next_port;
};

struct client {
  struct router *router;
  uint32_t address;
  int device;
};

/* What a client's port is on the other side of its router. */
struct mapping {
  struct client *client;
  struct end inner, outer;
  struct end remote; /* of a symmetric router */
};

/* Where a client has sent to through a mapping. */
struct sent {
  struct mapping *mapping;
  struct end to;
};

static struct router routers[ROUTERS];
static struct client clients[CLIENTS];
static struct mapping mappings[MAPPINGS];
static struct sent sent[SENT];
static int router_count, client_count, mapping_count, sent_count;

static bool is_same(struct end a, struct end b) { return a.address == b.address && a.port == b.port; }

/* ---- Translation ----------------------------------------------------------------------------- */

static struct mapping *map_out(struct client *client, struct end inner, struct end to) {
  struct router *router = client->router;
  for (int i = 0; i < mapping_count; i++)
    if (mappings[i].client == client && is_same(mappings[i].inner, inner) &&
        (router->kind != SYMMETRIC || is_same(mappings[i].remote, to)))
      return &mappings[i];
  if (mapping_count == MAPPINGS) return NULL;
  mappings[mapping_count] =
      (struct mapping){client, inner, {router->address, htons(router->next_port++)}, to};
  return &mappings[mapping_count++];
}

static void remember_sent(struct mapping *mapping, struct end to) {
  for (int i = 0; i < sent_count; i++)
    if (sent[i].mapping == mapping && is_same(sent[i].to, to)) return;
  if (sent_count < SENT) sent[sent_count++] = (struct sent){mapping, to};
}

static bool lets_in(struct mapping *mapping, struct end from) {
  enum kind kind = mapping->client->router->kind;
  if (kind == FULL) return true;
  for (int i = 0; i < sent_count; i++)
    if (sent[i].mapping == mapping && sent[i].to.address == from.address &&
        (kind == RESTRICTED || sent[i].to.port == from.port))
      return true;
  return false;
}

/* @returns the mapping of a public address and port; NULL where there is none that lets these in */
static struct mapping *map_in(struct end outer, struct end from) {
  for (int i = 0; i < mapping_count; i++)
    if (is_same(mappings[i].outer, outer)) return lets_in(&mappings[i], from) ? &mappings[i] : NULL;
  return NULL;
}

/* ---- Packets --------------------------------------------------------------------------------- */

static struct end end_at(const uint8_t *packet, size_t address_at, size_t port_at) {
  struct end end;
  memcpy(&end.address, packet + address_at, 4);
  memcpy(&end.port, packet + port_at, 2);
  return end;
}

static size_t header_of(const uint8_t *packet) { return (size_t)(packet[0] & 15) * 4; }

static struct end source_of(const uint8_t *packet) { return end_at(packet, 12, header_of(packet)); }
static struct end target_of(const uint8_t *packet) { return end_at(packet, 16, header_of(packet) + 2); }

static void set_end(uint8_t *packet, size_t address_at, size_t port_at, struct end end) {
  memcpy(packet + address_at, &end.address, 4);
  memcpy(packet + port_at, &end.port, 2);
}

/* The addresses have changed. A UDP checksum of 0 means that there is none. */
static void set_checksums(uint8_t *packet) {
  size_t header = header_of(packet);
  uint32_t sum = 0;
  packet[10] = packet[11] = 0;
  for (size_t i = 0; i < header; i += 2) sum += (uint32_t)packet[i] << 8 | packet[i + 1];
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = ~((sum & 0xFFFF) + (sum >> 16));
  packet[10] = (uint8_t)(sum >> 8);
  packet[11] = (uint8_t)sum;
  packet[header + 6] = packet[header + 7] = 0;
}

static bool is_whole_udp(const uint8_t *packet, size_t length) {
  return length >= 20 && packet[0] >> 4 == 4 && packet[9] == UDP &&
         length >= header_of(packet) + UDP_HEADER && (packet[6] & 0x3F) == 0 &&
         packet[7] == 0; /* no fragment */
}

/* What a device does not take is lost. */
static void hand_over(struct client *client, const uint8_t *packet, size_t length) {
  if (write(client->device, packet, length) < 0 && errno != EAGAIN && errno != EINVAL)
    fail("a device failed");
}

static struct client *open_client(uint32_t address) {
  for (int i = 0; i < client_count; i++)
    if (clients[i].router->kind == OPEN && clients[i].address == address) return &clients[i];
  return NULL;
}

static void pass(struct client *from, uint8_t *packet, size_t length) {
  struct client *to = open_client(target_of(packet).address);
  struct mapping *mapping;
  if (from->router->kind != OPEN) {
    if (target_of(packet).address == from->router->address) return;
    mapping = map_out(from, source_of(packet), target_of(packet));
    if (!mapping) return;
    remember_sent(mapping, target_of(packet));
    set_end(packet, 12, header_of(packet), mapping->outer);
  }
  if (!to) {
    mapping = map_in(target_of(packet), source_of(packet));
    if (!mapping) return;
    set_end(packet, 16, header_of(packet) + 2, mapping->inner);
    to = mapping->client;
  }
  set_checksums(packet);
  hand_over(to, packet, length);
}

/* ---- The network ----------------------------------------------------------------------------- */

static void add_client(struct router *router, int number) {
  struct client *client = &clients[client_count];
  char address[32], outer[INET_ADDRSTRLEN];
  int namespace;
  if (client_count == CLIENTS) fail("too many clients");
  snprintf(address, sizeof(address), "10.%d.0.%d", router_count, number + 2);
  inet_ntop(AF_INET, &router->address, outer, sizeof(outer));
  client->router = router;
  client->device = make_end(router->kind == OPEN ? outer : address, &namespace);
  client->address = inet_addr(router->kind == OPEN ? outer : address);
  client_count++;
  printf("client %d %s\n", namespace, outer);
}

static void add_router(const char *argument) {
  struct router *router = &routers[router_count];
  char name[16], address[32];
  int kind = 0, count = 0;
  if (sscanf(argument, "%15[a-z]:%d", name, &count) != 2) name[0] = '\0';
  while (kind < KINDS && strcmp(kind_names[kind], name) != 0) kind++;
  errno = EINVAL;
  if (kind == KINDS || count < 1 || (kind == OPEN && count > 1) || router_count == ROUTERS) fail(argument);
  snprintf(address, sizeof(address), "203.0.113.%d", ++router_count);
  *router = (struct router){(enum kind)kind, inet_addr(address), FIRST_PUBLIC_PORT};
  for (int i = 0; i < count; i++) add_client(router, i);
}

/* Until stdin is closed, which happens whatever becomes of the program at its other end. */
static void pass_all(void) {
  struct pollfd fds[1 + CLIENTS] = {{STDIN_FILENO, POLLIN, 0}};
  uint8_t packet[PACKET_BYTES];
  char input;
  for (int i = 0; i < client_count; i++) fds[1 + i] = (struct pollfd){clients[i].device, POLLIN, 0};
  for (;;) {
    if (poll(fds, (nfds_t)(1 + client_count), -1) < 0 && errno != EINTR) fail("poll");
    if (fds[0].revents) {
      if (read(STDIN_FILENO, &input, 1) <= 0) return;
      if (input == '\n') mapping_count = sent_count = 0; /* a port is not given again */
    }
    for (int i = 0; i < client_count; i++) {
      ssize_t length;
      while (fds[1 + i].revents && (length = read(clients[i].device, packet, sizeof(packet))) > 0)
        if (is_whole_udp(packet, (size_t)length)) pass(&clients[i], packet, (size_t)length);
    }
  }
}

int main(int count, char **arguments) {
  if (count > 2 && strcmp(arguments[1], "open") == 0) {
    printf("pid %d\n", (int)getpid());
    for (int i = 2; i < count; i++) add_router(arguments[i]);
    fflush(stdout);
    pass_all();
    return EXIT_SUCCESS;
  }
  if (count > 3 && strcmp(arguments[1], "run") == 0) return run(arguments[2], arguments + 3);
  fprintf(stderr, "usage: enet_routers open KIND:CLIENTS... | run NAMESPACE COMMAND...\n");
  return EXIT_FAILURE;
}

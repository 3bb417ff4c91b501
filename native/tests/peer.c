/*
 * An ENet peer on plain libenet, driven by lines of text: the other side of interoperation tests.
 *
 *   enet_peer server [options]    accepts connections on 127.0.0.1 and echoes every packet
 *   enet_peer client [options]    connects to 127.0.0.1; echoes nothing
 *
 *   --port N        server: the port to bind, 0 (the default) for any; client: where to connect to
 *   --channels N    channel limit of the host and, for a client, of the connection; default 2
 *   --peers N       peers of the host; default 32
 *   --data N        client: the value that goes with the connection; default 0
 *   --compress      range coder
 *   --checksum      CRC32
 *   --no-echo       server: do not echo
 *
 * Lines on stdout, each flushed at once:
 *
 *   port <port>                                  the server is bound; its first line
 *   connect <data>                               a connection is complete
 *   receive <channel> <length> <crc32> <flags>   CRC-32 as in zlib, 8 hexadecimal digits
 *   disconnect <data>                            a connection, or the attempt, has ended
 *   error <text>                                 a command could not be carried out
 *   idle                                         nothing has happened for 30 seconds: the last line
 *
 * Lines on stdin. Commands concern every peer that is connected:
 *
 *   send <channel> <flags> <length> <seed>       with x = seed, each byte is x >> 24 after
 *                                                x = x * 1664525 + 1013904223 modulo 2^32
 *   disconnect <data>
 *   disconnect-later <data>                      once everything queued has been acknowledged
 *   quit                                         the end of stdin means the same: one notice to
 *                                                each peer and exit
 *
 * Flags are ENet's: 0 unreliable, 1 reliable, 2 unsequenced, 8 unreliable fragments. Numbers are
 * decimal. The exit code is 0 after quit, 1 after a failure, which stderr explains, 2 when idle.
 */
#include <enet/enet.h>
#include <enet/time.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE_MS 30000
#define TICK_MS 5 /* ENet's resends and pings are looked after this often */
#define ECHO_FLAGS \
  (ENET_PACKET_FLAG_RELIABLE | ENET_PACKET_FLAG_UNSEQUENCED | ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT)

static struct {
  bool server, compress, checksum, no_echo;
  unsigned long port, channels, peers, data;
} options = {.channels = 2, .peers = 32};

static ENetHost *host;
static bool quitting;
static enet_uint32 last_activity;

static void fail(const char *text) {
  fprintf(stderr, "enet_peer: %s\n", text);
  exit(EXIT_FAILURE);
}

/* ---- Options --------------------------------------------------------------------------------- */

static bool take_flag(const char *name) {
  if (strcmp(name, "--compress") == 0) return options.compress = true;
  if (strcmp(name, "--checksum") == 0) return options.checksum = true;
  if (strcmp(name, "--no-echo") == 0) return options.no_echo = true;
  return false;
}

static unsigned long *number_option(const char *name) {
  if (strcmp(name, "--port") == 0) return &options.port;
  if (strcmp(name, "--channels") == 0) return &options.channels;
  if (strcmp(name, "--peers") == 0) return &options.peers;
  if (strcmp(name, "--data") == 0) return &options.data;
  return NULL;
}

static void parse_options(int count, char **words) {
  if (count < 2) fail("usage: enet_peer server|client [options]");
  options.server = strcmp(words[1], "server") == 0;
  if (!options.server && strcmp(words[1], "client") != 0) fail("the first argument must be server or client");
  for (int i = 2; i < count; i++) {
    unsigned long *number;
    char *end;
    if (take_flag(words[i])) continue;
    number = number_option(words[i]);
    if (!number || ++i == count) fail("unknown option, or one without its number");
    *number = strtoul(words[i], &end, 10);
    if (end == words[i] || *end) fail("an option needs a decimal number");
  }
  if (!options.server && options.port == 0) fail("a client needs --port");
}

/* ---- Packets --------------------------------------------------------------------------------- */

static ENetPacket *generate(size_t length, unsigned long flags, enet_uint32 seed) {
  ENetPacket *packet = enet_packet_create(NULL, length, (enet_uint32)flags);
  if (!packet) fail("out of memory");
  for (size_t i = 0; i < length; i++) {
    seed = seed * 1664525u + 1013904223u;
    packet->data[i] = (enet_uint8)(seed >> 24);
  }
  return packet;
}

static unsigned checksum_of(const ENetPacket *packet) {
  ENetBuffer buffer;
  buffer.data = packet->data;
  buffer.dataLength = packet->dataLength;
  return ENET_NET_TO_HOST_32(enet_crc32(&buffer, 1));
}

static void send_to(ENetPeer *peer, enet_uint8 channel, ENetPacket *packet) {
  if (enet_peer_send(peer, channel, packet) == 0) return;
  if (packet->referenceCount == 0) enet_packet_destroy(packet);
  printf("error send\n");
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void handle_packet(const ENetEvent *event) {
  ENetPacket *packet = event->packet;
  printf("receive %u %zu %08x %u\n", event->channelID, packet->dataLength, checksum_of(packet),
         packet->flags);
  if (options.server && !options.no_echo)
    send_to(event->peer, event->channelID,
            enet_packet_create(packet->data, packet->dataLength, packet->flags & ECHO_FLAGS));
  enet_packet_destroy(packet);
}

static void handle_event(const ENetEvent *event) {
  if (event->type == ENET_EVENT_TYPE_RECEIVE)
    handle_packet(event);
  else
    printf("%s %u\n", event->type == ENET_EVENT_TYPE_CONNECT ? "connect" : "disconnect", event->data);
  last_activity = enet_time_get();
}

/* ---- Commands -------------------------------------------------------------------------------- */

static void for_each_connected(void (*act)(ENetPeer *, const unsigned long *), const unsigned long *numbers) {
  for (size_t i = 0; i < host->peerCount; i++)
    if (host->peers[i].state == ENET_PEER_STATE_CONNECTED) act(&host->peers[i], numbers);
}

static void act_send(ENetPeer *peer, const unsigned long *numbers) {
  send_to(peer, (enet_uint8)numbers[0], generate(numbers[2], numbers[1], (enet_uint32)numbers[3]));
}

static void act_disconnect(ENetPeer *peer, const unsigned long *numbers) {
  enet_peer_disconnect(peer, (enet_uint32)numbers[0]);
}

static void act_disconnect_later(ENetPeer *peer, const unsigned long *numbers) {
  enet_peer_disconnect_later(peer, (enet_uint32)numbers[0]);
}

static void act_disconnect_now(ENetPeer *peer, const unsigned long *numbers) {
  (void)numbers;
  enet_peer_disconnect_now(peer, 0);
}

static void obey(const char *line) {
  unsigned long n[4];
  if (sscanf(line, "send %lu %lu %lu %lu", &n[0], &n[1], &n[2], &n[3]) == 4)
    for_each_connected(act_send, n);
  else if (sscanf(line, "disconnect %lu", &n[0]) == 1)
    for_each_connected(act_disconnect, n);
  else if (sscanf(line, "disconnect-later %lu", &n[0]) == 1)
    for_each_connected(act_disconnect_later, n);
  else if (strcmp(line, "quit") == 0)
    quitting = true;
  else
    printf("error unknown command: %s\n", line);
}

/* Obeys the complete lines and keeps the rest. */
static void read_commands(void) {
  static char text[4096];
  static size_t length;
  char *end;
  ssize_t count = read(STDIN_FILENO, text + length, sizeof(text) - length);
  last_activity = enet_time_get();
  if (count <= 0) {
    quitting = true;
    return;
  }
  length += (size_t)count;
  while (!quitting && (end = memchr(text, '\n', length)) != NULL) {
    *end = '\0';
    obey(text);
    length -= (size_t)(end + 1 - text);
    memmove(text, end + 1, length);
  }
  if (length == sizeof(text)) fail("a line is too long");
}

/* ---- The program ----------------------------------------------------------------------------- */

/* ENet's range coder takes a byte even of an empty buffer, that is, of an empty packet. */
static size_t ENET_CALLBACK compress(void *context, const ENetBuffer *buffers, size_t count, size_t length,
                                     enet_uint8 *out, size_t limit) {
  ENetBuffer filled[ENET_BUFFER_MAXIMUM];
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (buffers[i].dataLength > 0) filled[kept++] = buffers[i];
  return enet_range_coder_compress(context, filled, kept, length, out, limit);
}

static void create_host(void) {
  ENetAddress address = {.port = options.server ? (enet_uint16)options.port : 0};
  address.host = ENET_HOST_TO_NET_32(0x7F000001u);
  host = enet_host_create(options.server ? &address : NULL, options.peers, options.channels, 0, 0);
  if (!host) fail("the host could not be created");
  if (options.compress) {
    ENetCompressor coder = {enet_range_coder_create(), compress, enet_range_coder_decompress,
                            enet_range_coder_destroy};
    enet_host_compress(host, &coder);
  }
  if (options.checksum) host->checksum = enet_crc32;
  if (options.server) {
    printf("port %u\n", host->address.port);
    return;
  }
  address.port = (enet_uint16)options.port;
  if (!enet_host_connect(host, &address, options.channels, (enet_uint32)options.data)) fail("no connection");
}

static void serve(void) {
  ENetEvent event;
  while (enet_host_service(host, &event, 0) > 0) handle_event(&event);
}

static void wait_for_input(void) {
  struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = host->socket, .events = POLLIN}};
  if (poll(fds, 2, TICK_MS) > 0 && fds[0].revents) read_commands();
}

int main(int argc, char **argv) {
  bool idle = false;
  setvbuf(stdout, NULL, _IOLBF, 0);
  parse_options(argc, argv);
  if (enet_initialize() != 0) fail("ENet could not be initialized");
  create_host();
  last_activity = enet_time_get();
  while (!quitting && !idle) {
    serve();
    wait_for_input();
    idle = ENET_TIME_DIFFERENCE(enet_time_get(), last_activity) >= IDLE_MS;
  }
  if (idle) printf("idle\n");
  for_each_connected(act_disconnect_now, NULL);
  enet_host_destroy(host);
  enet_deinitialize();
  return idle ? 2 : EXIT_SUCCESS;
}

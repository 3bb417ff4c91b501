/*
 * The other end of bench/channel.ts as a process: connects to a Unix socket, whose path is its argument, and
 * understands the commands of channel_plugin.c. Each message has its length in front, 32 bits.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TAKE = 1, SEND, ECHO };

#define BUFFER_BYTES (4 << 20)

static int fd;
static uint8_t in[BUFFER_BYTES], out[BUFFER_BYTES];
static size_t in_start, in_end, out_end;

static void flush_out(void) {
  for (size_t sent = 0; sent < out_end;) {
    ssize_t n = write(fd, out + sent, out_end - sent);
    if (n <= 0) exit(EXIT_FAILURE);
    sent += (size_t)n;
  }
  out_end = 0;
}

/* Gathers small messages, so that a system call is not made for each. */
static void put(const void *data, uint32_t length) {
  if (out_end + sizeof(length) + length > sizeof(out)) flush_out();
  memcpy(out + out_end, &length, sizeof(length));
  memcpy(out + out_end + sizeof(length), data, length);
  out_end += sizeof(length) + length;
}

/* The next message; answers leave before waiting for it. */
static const uint8_t *get(uint32_t *length) {
  for (;;) {
    size_t there = in_end - in_start;
    if (there >= sizeof(*length)) {
      memcpy(length, in + in_start, sizeof(*length));
      if (there >= sizeof(*length) + *length) {
        const uint8_t *data = in + in_start + sizeof(*length);
        in_start += sizeof(*length) + *length;
        return data;
      }
    }
    memmove(in, in + in_start, there);
    in_start = 0;
    in_end = there;
    flush_out();
    ssize_t n = read(fd, in + in_end, sizeof(in) - in_end);
    if (n <= 0) exit(EXIT_SUCCESS);
    in_end += (size_t)n;
  }
}

int main(int argc, char **argv) {
  static uint8_t message[1 << 20];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path)) return EXIT_FAILURE;
  strcpy(address.sun_path, argv[1]);
  fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) return EXIT_FAILURE;
  for (;;) {
    uint32_t length, command[3];
    memcpy(command, get(&length), sizeof(command));
    for (uint32_t left = command[1]; left > 0; left--) {
      const uint8_t *data = message;
      length = command[2];
      if (command[0] != SEND) data = get(&length);
      if (command[0] != TAKE) put(data, length);
    }
    if (command[0] == TAKE) put("!", 1);
  }
}

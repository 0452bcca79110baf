/* echo.c - what UDP itself costs: each datagram goes back as it came.

     echo

   Takes a free port of 127.0.0.1, prints it, and answers one datagram after the
   other until it is killed: a blocking recvfrom() and a sendto(), nothing else. The
   table's ratios are to this. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

/* A socket on a free port, which is printed. -1: there is none. */
static int open_socket(void) {
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof own;
  const int s = socket(AF_INET, SOCK_DGRAM, 0);

  if (s == -1 || bind(s, (struct sockaddr *)&own, len) == -1 || getsockname(s, (struct sockaddr *)&own, &len) == -1)
    return -1;
  printf("%d\n", ntohs(own.sin_port));
  return fflush(stdout) == 0 ? s : -1;
}

int main(void) {
  static char datagram[65536];
  const int s = open_socket();

  if (s == -1) {
    perror("echo");
    return 111;
  }
  for (;;) {
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    const ssize_t n = recvfrom(s, datagram, sizeof datagram, 0, (struct sockaddr *)&from, &from_len);
    if (n >= 0) sendto(s, datagram, (size_t)n, 0, (struct sockaddr *)&from, from_len);
  }
}

// Names of this machine in the Host header: by another name a page of another machine may have been
// led here by its name server (DNS rebinding).

const OWN_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i

export function isOwnHost(host: string | undefined): boolean {
  return host !== undefined && OWN_HOST.test(host)
}

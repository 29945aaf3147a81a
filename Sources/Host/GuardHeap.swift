// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// What the guard does with its own memory before it has to do without any more.
///
/// Source: malloc(3), mallopt(3), getrlimit(2).
package final class GuardHeap {
  private var first: UnsafeMutableRawPointer?
  private var limit = rlimit()

  package init() {}

  /// Touches what the way to a signal will use: a piece of the stack, and of the heap as much as a told action takes, which
  /// malloc then keeps. Comes before memory is locked.
  package static func prepare() {
    mallopt(M_TRIM_THRESHOLD, Int32(16 * 1024 * 1024))
    mallopt(M_MMAP_MAX, 0)
    if let block = malloc(heapBytes) {
      memset(block, 1, heapBytes)
      free(block)
    }
    withUnsafeTemporaryAllocation(byteCount: stackBytes, alignment: 16) {
      _ = memset($0.baseAddress!, 1, $0.count)
      withExtendedLifetime($0) {}
    }
  }

  private static let heapBytes = 1024 * 1024
  private static let stackBytes = 128 * 1024

  /// Takes all that malloc can give, down to the last sixteen bytes, and has the kernel give no more: whoever asks for
  /// memory then is refused, and a Swift program ends. For the proof that the way to a signal asks for none.
  package func exhaust() {
    guard let file = fopen("/proc/self/statm", "re") else { return }
    var pages: UInt = 0
    withUnsafeMutablePointer(to: &pages) { pointer in
      _ = withVaList([pointer]) { vfscanf(file, "%lu", $0) }
    }
    fclose(file)
    getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    var none = limit
    none.rlim_cur = rlim_t(pages) * rlim_t(HostIdentity.pageSizeBytes)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &none)
    var bytes = 1 << 20
    while bytes >= 16 {
      while let block = malloc(bytes) {
        block.storeBytes(of: first, as: UnsafeMutableRawPointer?.self)
        first = block
      }
      bytes /= 2
    }
  }

  /// Gives all back.
  package func restore() {
    guard first != nil else { return }
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    while let block = first {
      first = block.load(as: UnsafeMutableRawPointer?.self)
      free(block)
    }
  }

  /// Whether sixteen bytes can be had.
  package var hasRoom: Bool {
    guard let block = malloc(16) else { return false }
    free(block)
    return true
  }
}

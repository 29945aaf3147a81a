// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// The one place where a system call is made again after a signal, and where errno is read.
enum SystemCall {
  /// The result of a call: what it returned, or the errno of its failure.
  enum Outcome {
    case value(Int)
    case failure(Int32)

    /// The process or control group behind the file no longer exists.
    ///
    /// ENODEV is what kernfs answers where the directory went away after the file was opened.
    /// Kernel: fs/kernfs/file.c, kernfs_seq_start().
    static func isGone(_ errno: Int32) -> Bool { errno == ENOENT || errno == ESRCH || errno == ENODEV }

    /// The reader has no right to know.
    static func isRefusal(_ errno: Int32) -> Bool { errno == EACCES || errno == EPERM }
  }

  static func retrying(_ call: () -> Int) -> Outcome {
    while true {
      let result = call()
      if result >= 0 { return .value(result) }
      let code = errno
      if code != EINTR { return .failure(code) }
    }
  }
}

extension KernelName {
  /// Calls `body` with the name and its terminating NUL; nil where a NUL inside makes it no name at all.
  func withPath<Value>(_ body: (UnsafePointer<CChar>) -> Value) -> Value? {
    guard !bytes.contains(0) else { return nil }
    return (bytes + [0]).withUnsafeBytes { body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
  }

  /// This path with `name` below it.
  func appending(_ name: KernelName) -> KernelName {
    if name.bytes.isEmpty { return self }
    let separator: [UInt8] = bytes.last == UInt8(ascii: "/") || name.bytes.first == UInt8(ascii: "/") ? [] : [0x2f]
    return KernelName(bytes: bytes + separator + name.bytes)
  }
}

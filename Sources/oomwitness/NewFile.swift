// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host

/// A file that comes to be at once and whole, or not at all.
enum NewFile {
  /// What is there already in its place.
  enum Present { case nothing, file, other }

  /// Source: stat(2).
  static func present(_ path: String) -> Present {
    var status = stat()
    guard stat(path, &status) == 0 else { return lstat(path, &status) == 0 ? .other : .nothing }
    return status.st_mode & S_IFMT == S_IFREG ? .file : .other
  }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Through a second name beside it. Without `overwriting` one that came to be meanwhile stays, and is an error (EEXIST).
  ///
  /// Source: link(2), rename(2).
  static func write(_ text: String, to path: String, overwriting: Bool) throws(HostError) {
    let new = "\(path).\(getpid()).new"
    unlink(new)
    let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(.open, path) }
    var error: HostError?
    var rest = Array(text.utf8)[...]
    while error == nil, !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
      if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { error = failure(.write, path) }
    }
    if error == nil, fsync(descriptor) != 0 { error = failure(.write, path) }
    close(descriptor)
    if error == nil, (overwriting ? rename(new, path) : link(new, path)) != 0 { error = failure(.write, path) }
    unlink(new)
    if let error { throw error }
  }

  /// As it comes, over one that is there, which stays until all is written.
  ///
  /// - Parameter body: is given what takes bytes, and says false once they cannot be written.
  static func write(to path: String, _ body: (_ put: ([UInt8]) -> Bool) throws -> Void) throws {
    let new = "\(path).\(getpid()).new"
    unlink(new)
    let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(.open, path) }
    var error: HostError?
    defer {
      close(descriptor)
      unlink(new)
    }
    try body { bytes in
      var rest = bytes[...]
      while error == nil, !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
        if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { error = failure(.write, path) }
      }
      return error == nil
    }
    if error == nil, fsync(descriptor) != 0 || rename(new, path) != 0 { error = failure(.write, path) }
    if let error { throw error }
  }

  /// A folder with those above it.
  static func makeFolder(_ path: String) throws(HostError) {
    var made = path.hasPrefix("/") ? "" : "."
    for component in path.split(separator: "/") {
      made += "/" + component
      guard mkdir(made, 0o755) == 0 || errno == EEXIST else { throw failure(.make, made) }
    }
  }

  private static func failure(_ operation: HostError.Operation, _ path: String) -> HostError {
    .system(operation: operation, path: KernelName(path), errno: errno)
  }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A folder in memory, for what reads files; it goes with all that is in it.
final class FuzzFolder {
  let path: String

  init() {
    var name = Array("/dev/shm/oomwitness-fuzz-XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else { fatalError("no folder can be made in /dev/shm") }
    path = String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit {
    empty()
    rmdir(path)
  }

  /// Removes its files.
  func empty() {
    guard let folder = opendir(path) else { return }
    defer { closedir(folder) }
    while let entry = readdir(folder) { unlinkat(dirfd(folder), &entry.pointee.d_name.0, 0) }
  }

  func write(_ bytes: [UInt8], _ name: String) {
    let descriptor = open(path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else { fatalError("/dev/shm is full") }
    close(descriptor)
  }
}

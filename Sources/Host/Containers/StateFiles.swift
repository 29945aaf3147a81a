// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Reads the files that container runtimes keep, which may be half written, huge, gone, or somebody's trap.
///
/// A file that cannot be used is not known, and is counted: a name that is missing must never keep a kill from being told.
/// Not for two threads at once. Source: open(2).
final class StateFiles {
  /// config.v2.json and an OCI bundle's config.json have some KiB; with thousands of mounts and labels more.
  static let fileBytesMax = 1024 * 1024
  /// Podman's containers.json has some hundred bytes for each container.
  static let indexBytesMax = 8 * 1024 * 1024
  /// Annotations or labels of one container.
  static let labelsMax = 512

  private let root: String
  /// Files that were there and could not be used: no right, too large, no regular file, no whole document.
  private(set) var refused = 0
  /// The last of them.
  private(set) var lastRefused: KernelName?

  init(root: String) { self.root = root }

  /// What changes when a file does.
  struct Version: Equatable {
    var inode: UInt64
    var size: Int64
    var seconds: Int
    var nanoseconds: Int
  }

  /// The whole file; nil where there is none that can be used.
  ///
  /// It is opened without waiting, so that a pipe in its place holds nobody up.
  func contents(_ path: String, bytesMax: Int = fileBytesMax) -> [UInt8]? {
    let descriptor = open(root + path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else {
      if errno != ENOENT, errno != ENOTDIR { refuse(path) }
      return nil
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= bytesMax else {
      refuse(path)
      return nil
    }
    // As long as it is, and one more: it may grow meanwhile.
    let size = Int(status.st_size) + 1
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let outcome = SystemCall.retrying { read(descriptor, buffer.baseAddress! + count, size - count) }
        guard case .value(let read) = outcome, read > 0 else { break }
        count += read
      }
    }
  }

  /// One JSON document of a file; nil where there is none, or it is not whole.
  func document<Value>(
    _ path: String, bytesMax: Int = fileBytesMax,
    _ body: (inout JSONReader) throws(JSONReader.Fault) -> Value
  ) -> Value? {
    guard let bytes = contents(path, bytesMax: bytesMax) else { return nil }
    do throws(JSONReader.Fault) {
      return try StateFiles.document(bytes, body)
    } catch {
      refuse(path)
      return nil
    }
  }

  /// One JSON document, whole.
  static func document<Value>(
    _ bytes: [UInt8], _ body: (inout JSONReader) throws(JSONReader.Fault) -> Value
  ) throws(JSONReader.Fault) -> Value {
    var rest = bytes
    var json = JSONReader {
      defer { rest = [] }
      return rest
    }
    let value = try body(&json)
    try json.end()
    return value
  }

  func version(_ path: String) -> Version? {
    var status = stat()
    guard stat(root + path, &status) == 0 else { return nil }
    return Version(
      inode: UInt64(status.st_ino), size: Int64(status.st_size), seconds: status.st_mtim.tv_sec,
      nanoseconds: status.st_mtim.tv_nsec)
  }

  func exists(_ path: String) -> Bool { access(root + path, F_OK) == 0 }

  /// The names in a folder that end so, no more than `countMax`; none where it cannot be listed.
  func names(in path: String, ending suffix: String = "", countMax: Int) -> [String] {
    guard let directory = try? Directory(path: root + path), let names = try? directory.names(ending: suffix) else {
      return []
    }
    return names.prefix(countMax).map(\.text).filter { $0 != "." && $0 != ".." }
  }

  /// A value of a file of `key = "value"` lines before its first section, as containerd's and storage.conf's; with `section`
  /// within that.
  ///
  /// Source: toml.io; what goes over lines or holds escapes is not read.
  func setting(_ key: String, in path: String, section: String? = nil) -> String? {
    guard let bytes = contents(path) else { return nil }
    var current: String?
    for line in bytes.split(separator: 0x0a) {
      let text = String(decoding: line, as: UTF8.self).drop { $0 == " " || $0 == "\t" }
      if text.hasPrefix("[") { current = String(text.dropFirst().prefix { $0 != "]" }) }
      guard current == section, text.hasPrefix(key) else { continue }
      let rest = text.dropFirst(key.count).drop { $0 == " " || $0 == "\t" }
      guard rest.first == "=" else { continue }
      let value = rest.dropFirst().drop { $0 == " " || $0 == "\t" }
      guard let quote = value.first, quote == "\"" || quote == "'" else { continue }
      return String(value.dropFirst().prefix { $0 != quote })
    }
    return nil
  }

  /// The texts in a document that is a string in another one; none where it is none.
  static func texts(in text: String?) -> [String: String] {
    guard let text else { return [:] }
    return (try? document(Array(text.utf8)) { (json) throws(JSONReader.Fault) in try json.texts() }) ?? [:]
  }

  private func refuse(_ path: String) {
    refused += 1
    lastRefused = KernelName(root + path)
  }
}

extension JSONReader {
  /// The texts of an object by name, no more than `labelsMax`; what is no text is left out.
  mutating func texts() throws(Fault) -> [String: String] {
    var found: [String: String] = [:]
    try object { (json, name) throws(Fault) in
      guard found.count < StateFiles.labelsMax else { return false }
      if let text = try json.text() { found[name] = text }
      return true
    }
    return found
  }
}

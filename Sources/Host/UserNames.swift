// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// Names of local users by their ids.
///
/// Reads the file and nothing else: getpwuid_r(3) may ask a directory server over the network, and that would stall the
/// telling of a kill. A user of such a server is told by number. File: /etc/passwd.
package final class UserNames {
  /// How many answers are kept, "no such user" among them, before all are forgotten.
  package static let cacheLimit = 256
  /// A longer file is read no further.
  package static let fileLimitBytes = 16 * 1024 * 1024

  /// What changes when the file does.
  private struct Version: Equatable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    var seconds: Int
    var nanoseconds: Int
  }
  private let root: String
  private var version: Version?
  private var names: [UInt32: String?] = [:]

  package init(root: String = "/") { self.root = root }

  /// Forgets what it knows where the file has changed: not done at each kill, whose telling it would put off.
  package func lookAgain() {
    let current = UserNames.version(of: KernelName(root).appending(KernelName("etc/passwd")))
    if current != version { names.removeAll(keepingCapacity: true) }
    version = current
  }

  /// The first name of that id, or nil where the file has none or is not there; as it was when it was first asked for
  /// since `lookAgain()`.
  ///
  /// Lines that are no entries are passed over, as the C library does. Source: passwd(5).
  package func name(uid: UInt32) throws(HostError) -> String? {
    if let known = names[uid] { return known }
    if names.count >= UserNames.cacheLimit { names.removeAll(keepingCapacity: true) }
    let name = try field(0, uid: uid)
    names.updateValue(name, forKey: uid)
    return name
  }

  /// Where the user's own files are, or nil as for the name; read anew each time.
  ///
  /// Source: passwd(5).
  package func home(uid: UInt32) throws(HostError) -> String? {
    try field(5, uid: uid).flatMap { $0.hasPrefix("/") ? $0 : nil }
  }

  private func field(_ place: Int, uid: UInt32) throws(HostError) -> String? {
    let directory = try Directory(path: root)
    let contents = try FileReader().beginning(
      KernelName("etc/passwd"), in: directory, limitBytes: UserNames.fileLimitBytes)
    return contents.flatMap { UserNames.field(place, uid: uid, in: $0) }
  }

  private static func field(_ place: Int, uid: UInt32, in contents: FileContents) -> String? {
    for line in contents.lines {
      let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
      guard fields.count >= 4, let name = fields.first, let first = name.first,
        first != UInt8(ascii: "+"), first != UInt8(ascii: "-"), first != UInt8(ascii: "#"),
        let number: UInt32 = Decimal.unsigned(fields[2]), number == uid
      else { continue }
      return fields.count > place ? String(decoding: fields[place], as: UTF8.self) : nil
    }
    return nil
  }

  private static func version(of path: KernelName) -> Version? {
    var status = stat()
    let outcome = path.withPath { path in SystemCall.retrying { Int(stat(path, &status)) } }
    guard case .value = outcome else { return nil }
    return Version(
      device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
      seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
  }
}

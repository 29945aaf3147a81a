// SPDX-License-Identifier: Apache-2.0

import Events

/// The lines of /proc/PID/status that we use.
///
/// Here the kernel escapes newlines in the name, so no name can forge a line. Kernel: fs/proc/array.c, proc_pid_status().
struct ProcStatus: Hashable {
  var tgid: Int32
  var uid: UInt32
  var parts: BadnessParts?

  init(_ contents: FileContents, pageSizeBytes: Int) throws(HostError) {
    var tgid: Int32?
    var uid: UInt32?
    var anon: Pages?
    var file: Pages?
    var shmem: Pages?
    var swap: Pages?
    var pgtable: Pages?
    for (index, line) in contents.lines.enumerated() {
      func pages(_ value: ArraySlice<UInt8>) throws(HostError) -> Pages {
        let words = value.words
        guard words.count == 2, words[1].isEqual(to: "kB"), let kibibytes: Int64 = Decimal.unsigned(words[0]),
          let pages = Decimal.pages(kibibytes: kibibytes, pageSizeBytes: pageSizeBytes)
        else { throw contents.malformed(line: index + 1, line) }
        return pages
      }
      func number<Number: FixedWidthInteger>(_ value: ArraySlice<UInt8>, word: Int, of count: Int) throws(HostError)
        -> Number
      {
        let words = value.words
        guard words.count == count, let number: Number = Decimal.unsigned(words[word]) else {
          throw contents.malformed(line: index + 1, line)
        }
        return number
      }
      if let value = line.dropping("Tgid:") { tgid = try number(value, word: 0, of: 1) }
      if let value = line.dropping("Uid:") { uid = try number(value, word: 1, of: 4) }
      if let value = line.dropping("RssAnon:") { anon = try pages(value) }
      if let value = line.dropping("RssFile:") { file = try pages(value) }
      if let value = line.dropping("RssShmem:") { shmem = try pages(value) }
      if let value = line.dropping("VmSwap:") { swap = try pages(value) }
      if let value = line.dropping("VmPTE:") { pgtable = try pages(value) }
    }
    guard let tgid, let uid else {
      throw contents.malformed(line: max(1, contents.lines.count), contents.lines.last ?? [])
    }
    self.tgid = tgid
    self.uid = uid
    if let anon, let file, let shmem, let swap, let pgtable {
      parts = BadnessParts(
        anonPages: anon, filePages: file, shmemPages: shmem, swapPages: swap, pgtablePages: pgtable)
    }
  }

  /// Its Groups line holds up to NGROUPS_MAX, 65,536, numbers of up to 11 bytes.
  static let limitBytes = 1024 * 1024
}

// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// A stream of records in a file, as it came from the ring, with what is needed to replay it anywhere.
///
/// Shape: a header of six 64-bit numbers, then for each record its length in 32 bits and its bytes, all in the byte
/// order of the recording host.
package enum Recording {
  static let magic: UInt64 = 0x3263_6572_776d_6f6f  // "oomwrec2" read as little endian

  static let headerBytes = 48

  /// What the recording host knew and the records do not say.
  package struct Context: Hashable, Sendable {
    package var source: Source
    package var pageSizeBytes: Int
    package var seesBadness: Bool
    package var seesMemoryFreed: Bool
    package var hasManyMemoryNodes: Bool
    /// Wall clock less CLOCK_MONOTONIC, in nanoseconds.
    package var wallLessMonotonicNanoseconds: Int64

    package init(
      source: Source, pageSizeBytes: Int, seesBadness: Bool, seesMemoryFreed: Bool, hasManyMemoryNodes: Bool,
      wallLessMonotonicNanoseconds: Int64
    ) {
      self.source = source
      self.pageSizeBytes = pageSizeBytes
      self.seesBadness = seesBadness
      self.seesMemoryFreed = seesMemoryFreed
      self.hasManyMemoryNodes = hasManyMemoryNodes
      self.wallLessMonotonicNanoseconds = wallLessMonotonicNanoseconds
    }
  }

  package enum Failure: Error, Sendable {
    case open(path: String, errno: Int32)
    /// Not a recording, of another version, or of another byte order.
    case notARecording(path: String)
    /// It ends within a record, or a record is not of our making; `offset` in bytes. All before it was replayed.
    case damaged(path: String, offset: Int)
  }

  private static let sources: [Source] = [.fentry, .kprobe, .tracepoint]

  /// Writes a recording as it comes.
  package final class Writer {
    private let file: UnsafeMutablePointer<FILE>

    package init(path: String, context: Context) throws(Failure) {
      guard let file = fopen(path, "we") else { throw .open(path: path, errno: errno) }
      self.file = file
      var header: [UInt64] = [
        Recording.magic, UInt64(Recording.sources.firstIndex(of: context.source) ?? 0), UInt64(context.pageSizeBytes),
        context.seesBadness ? 1 : 0, (context.seesMemoryFreed ? 1 : 0) | (context.hasManyMemoryNodes ? 2 : 0),
        UInt64(bitPattern: context.wallLessMonotonicNanoseconds),
      ]
      fwrite(&header, 8, header.count, file)
    }

    deinit { fclose(file) }

    func append(_ bytes: UnsafeRawBufferPointer) {
      var length = UInt32(bytes.count)
      fwrite(&length, 4, 1, file)
      fwrite(bytes.baseAddress, 1, bytes.count, file)
      fflush(file)
    }
  }

  /// A recording as a source of records.
  package final class Reader: RecordSource {
    package let context: Context
    /// Set where the recording is damaged; what came before was handed over.
    package private(set) var failure: Failure?
    package let descriptor: Int32 = -1
    package let losses = LossCounters()
    private let path: String
    private let bytes: [UInt8]
    private var offset = headerBytes

    package init(path: String) throws(Failure) {
      self.path = path
      bytes = try Reader.contents(of: path)
      guard bytes.count >= headerBytes else { throw .notARecording(path: path) }
      let header = bytes.withUnsafeBytes { raw in
        (0..<6).map { raw.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }
      }
      guard header[0] == Recording.magic, header[1] < UInt64(Recording.sources.count),
        (4096...65_536).contains(header[2]), header[3] <= 1, header[4] <= 3,
        Int64(bitPattern: header[5]).magnitude <= 1 << 61
      else { throw .notARecording(path: path) }
      context = Context(
        source: Recording.sources[Int(header[1])], pageSizeBytes: Int(header[2]),
        seesBadness: header[3] != 0, seesMemoryFreed: header[4] & 1 != 0, hasManyMemoryNodes: header[4] & 2 != 0,
        wallLessMonotonicNanoseconds: Int64(bitPattern: header[5]))
    }

    package func drain(_ body: (KernelRecord) -> Void) {
      bytes.withUnsafeBytes { raw in
        while offset < raw.count, failure == nil {
          guard offset + 4 <= raw.count else { return failure = .damaged(path: path, offset: offset) }
          let length = Int(raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
          guard length <= raw.count - offset - 4 else { return failure = .damaged(path: path, offset: offset) }
          do throws(ProbeError) {
            try RecordDecoder.decode(UnsafeRawBufferPointer(rebasing: raw[(offset + 4)..<(offset + 4 + length)]), body)
          } catch {
            return failure = .damaged(path: path, offset: offset)
          }
          offset += 4 + length
        }
      }
    }

    package func detach() {}

    private static func contents(of path: String) throws(Failure) -> [UInt8] {
      guard let file = fopen(path, "re") else { throw .open(path: path, errno: errno) }
      defer { fclose(file) }
      var bytes: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 65_536)
      while true {
        let count = fread(&chunk, 1, chunk.count, file)
        guard count > 0 else { break }
        bytes += chunk[..<count]
      }
      return bytes
    }
  }
}

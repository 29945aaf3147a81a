// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Synchronization

/// Reads a file on a thread of its own, some pieces ahead, and has each looked through there while it is in the caches.
///
/// A log of gigabytes is mostly read and searched, and what is found in it is work for another processor. Memory is bounded
/// by the pieces, which are used again and again. Not for two threads that take pieces. Source: sem_overview(7).
package final class AheadReader {
  private let ring: PieceRing
  private var place = 0

  /// Starts to read.
  ///
  /// - Parameter look: is given each piece on the other thread, and the places that it returns come with it.
  /// - Throws: `HostError.system` where no thread can be had.
  package init(
    _ file: ReadableFile, look: @escaping @Sendable (UnsafeBufferPointer<UInt8>) -> [UInt32]
  ) throws(HostError) {
    ring = PieceRing(file, look)
    let status = ring.start()
    guard status == 0 else { throw .system(operation: .thread, path: KernelName(file.name), errno: status) }
  }

  deinit { ring.abandon() }

  /// Gives the next piece and what was found in it; false at the end.
  ///
  /// - Throws: as `ReadableFile.next(into:)`, at the place where it did.
  package func next(_ body: (UnsafeBufferPointer<UInt8>, [UInt32]) -> Void) throws(HostError) -> Bool {
    PieceRing.wait(ring.full)
    let piece = ring.pieces + place
    if let end = piece.pointee.end {
      // Whoever asks again gets it again.
      sem_post(ring.full)
      try end.get()
      return false
    }
    piece.pointee.bytes.withUnsafeBufferPointer {
      body(UnsafeBufferPointer(rebasing: $0[..<piece.pointee.count]), piece.pointee.found)
    }
    place = (place + 1) % PieceRing.piecesMax
    sem_post(ring.empty)
    return true
  }
}

/// What both threads hold. A piece is of one of them at a time: the semaphores say whose.
private final class PieceRing: @unchecked Sendable {
  /// Pieces that are read before the first of them is taken.
  static let piecesMax = 8

  struct Piece {
    var bytes = [UInt8](repeating: 0, count: ReadableFile.pieceBytes)
    var count = 0
    var found: [UInt32] = []
    /// Nil: it is a piece; else the end, and what went wrong there.
    var end: Result<Void, HostError>?
  }

  let pieces: UnsafeMutablePointer<Piece>
  let full = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  let empty = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  private let file: ReadableFile
  private let look: @Sendable (UnsafeBufferPointer<UInt8>) -> [UInt32]
  private let isAbandoned = Atomic<Bool>(false)

  init(_ file: ReadableFile, _ look: @escaping @Sendable (UnsafeBufferPointer<UInt8>) -> [UInt32]) {
    self.file = file
    self.look = look
    pieces = .allocate(capacity: PieceRing.piecesMax)
    for place in 0..<PieceRing.piecesMax { (pieces + place).initialize(to: Piece()) }
    sem_init(full, 0, 0)
    sem_init(empty, 0, UInt32(PieceRing.piecesMax))
  }

  deinit {
    pieces.deinitialize(count: PieceRing.piecesMax)
    pieces.deallocate()
    for semaphore in [full, empty] {
      sem_destroy(semaphore)
      semaphore.deallocate()
    }
  }

  /// 0, or why there is no thread. Source: pthread_create(3).
  func start() -> Int32 {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self)
    let status = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<PieceRing>.fromOpaque(context!).takeRetainedValue().readAll()
        return nil
      }, context.toOpaque())
    if status == 0 { pthread_detach(thread) } else { context.release() }
    return status
  }

  /// Nobody takes pieces any more: the thread ends at its next one.
  func abandon() {
    isAbandoned.store(true, ordering: .releasing)
    sem_post(empty)
  }

  private func readAll() {
    var place = 0
    while true {
      PieceRing.wait(empty)
      guard !isAbandoned.load(ordering: .acquiring) else { return }
      fill(&pieces[place])
      let isEnd = pieces[place].end != nil
      sem_post(full)
      if isEnd { return }
      place = (place + 1) % PieceRing.piecesMax
    }
  }

  private func fill(_ piece: inout Piece) {
    do throws(HostError) {
      piece.count = try file.next(into: &piece.bytes)
    } catch {
      piece.end = .failure(error)
      return
    }
    guard piece.count > 0 else {
      piece.end = .success(())
      return
    }
    let count = piece.count
    piece.found = piece.bytes.withUnsafeBufferPointer { look(UnsafeBufferPointer(rebasing: $0[..<count])) }
  }

  /// The other thread is mostly done in a moment, and a processor that sleeps comes back late.
  static func wait(_ semaphore: UnsafeMutablePointer<sem_t>) {
    for _ in 0..<1000 where sem_trywait(semaphore) == 0 { return }
    while sem_wait(semaphore) != 0 {}
  }
}

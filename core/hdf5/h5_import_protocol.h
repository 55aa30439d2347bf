// SPDX-License-Identifier: Apache-2.0
// What a program and its reading process say to each other about an HDF5 file from elsewhere (h5_import.h).
// Frames: u32 magic | u32 kind | u64 length | payload; integers are little endian, a text is u32 length and
// bytes. Either side treats what it receives as hostile: lengths are checked before memory is taken.
#pragma once

#include "core/tensor/dtype.h"

#include <functional>
#include <string>
#include <vector>

namespace qs {

/// Texts of an attribute: one, or a list; a single integer in decimal digits.
struct H5TextAttribute {
    std::string name;
    std::vector<std::string> values;
};

/// One object of a foreign file.
struct H5Node {
    enum class Kind : uint8_t { Group, Array, Refused };
    Kind kind = Kind::Group;
    std::string path; ///< "/a/b"; bytes as they are in the file
    // Array: how its elements are handed over. 2-byte opaque elements count as U16.
    DType type = DType::F32;
    std::vector<uint64_t> shape; ///< rank 0 .. 8
    uint64_t storedBytes = 0;
    std::string reason; ///< Refused: why, for people
    std::vector<H5TextAttribute>
        attributes; ///< those that the import knows: of Keras, of h5py's habits and of our own schemas

    uint64_t elements() const {
        uint64_t n = 1;
        for (const uint64_t d : shape)
            n *= d;
        return n;
    }
};

struct H5Listing {
    std::vector<H5Node> nodes; ///< sorted by path, no path twice
};

/// Limits on a listing; both sides know them.
inline constexpr size_t kH5ImportMaxNodes = size_t(1) << 17;
inline constexpr size_t kH5ImportMaxPath = 1024;
inline constexpr size_t kH5ImportMaxRank = 8;
inline constexpr uint64_t kH5ImportMaxElements = uint64_t(1) << 40;
inline constexpr size_t kH5ImportMaxText = 1024;             ///< of one attribute value or reason
inline constexpr size_t kH5ImportMaxTexts = size_t(1) << 16; ///< values of one attribute
inline constexpr size_t kH5ImportMaxAttributes = 1024;       ///< of one object
inline constexpr uint64_t kH5ImportMaxListing = uint64_t(32) << 20;
inline constexpr uint64_t kH5ImportMaxRead = uint64_t(16) << 20; ///< bytes of one answer

/// At most kH5ImportMaxElements elements, whichever axes are multiplied.
bool h5ImportShapeFits(const std::vector<uint64_t>& shape);

enum class H5Frame : uint32_t { List = 1, Read = 2, Listing = 3, Data = 4, Failure = 5 };

struct H5ReadRequest {
    std::string path;
    uint64_t first = 0, count = 0; ///< elements, in row-major order
};

using H5Bytes = std::vector<std::byte>;

/// Header and payload.
H5Bytes h5Frame(H5Frame kind, std::span<const std::byte> payload);

/// Corrupt when the bytes break a rule above.
H5Bytes encodeListing(const H5Listing& listing);
Result<H5Listing> decodeListing(std::span<const std::byte> payload);
H5Bytes encodeReadRequest(const H5ReadRequest& request);
Result<H5ReadRequest> decodeReadRequest(std::span<const std::byte> payload);
H5Bytes encodeFailure(const Error& error);
Error decodeFailure(std::span<const std::byte> payload);

/// Reads some bytes, at least one, into the span; 0 when the other side has closed.
using H5ReadSome = std::function<Result<size_t>(std::span<std::byte>)>;

struct H5Received {
    H5Frame kind = H5Frame::Failure;
    H5Bytes payload;
};
/// The next frame. Corrupt when it is no frame or longer than `maxBytes`, Io when the other side has closed.
/// Memory grows with what arrives, not with what is announced.
Result<H5Received> receiveFrame(const H5ReadSome& readSome, uint64_t maxBytes);

/// The payload of an answer of this kind; the error that the other side reports, or Corrupt when the answer
/// is of another kind.
Result<H5Bytes> receiveAnswer(const H5ReadSome& readSome, H5Frame kind, uint64_t maxBytes);

} // namespace qs

// SPDX-License-Identifier: Apache-2.0
#include "core/hdf5/h5_import_protocol.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr uint32_t kMagic = 0x31354851; // "QH51"
constexpr size_t kHeaderBytes = 16;
constexpr uint64_t kMaxFailure = 1 << 16;
constexpr size_t kStep = size_t(1) << 16; // memory taken ahead of what has arrived

class ByteWriter {
public:
    template<class T>
    void number(T value) {
        const size_t at = out_.size();
        out_.resize(at + sizeof value);
        std::memcpy(out_.data() + at, &value, sizeof value);
    }
    void text(std::string_view s) {
        number(uint32_t(s.size()));
        const auto* bytes = reinterpret_cast<const std::byte*>(s.data());
        out_.insert(out_.end(), bytes, bytes + s.size());
    }
    H5Bytes take() { return std::move(out_); }

private:
    H5Bytes out_;
};

/// After a failed read every further one fails too; `failed()` is asked once at the end.
class ByteReader {
public:
    explicit ByteReader(std::span<const std::byte> in) : in_(in) {}

    template<class T>
    T number() {
        T value{};
        if (in_.size() - at_ < sizeof value) {
            failed_ = true;
            return {};
        }
        std::memcpy(&value, in_.data() + at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    std::string text(size_t limit) {
        const uint32_t size = number<uint32_t>();
        if (failed_ || size > limit || size > in_.size() - at_) {
            failed_ = true;
            return {};
        }
        std::string s(reinterpret_cast<const char*>(in_.data()) + at_, size);
        at_ += size;
        return s;
    }
    bool failed() const { return failed_; }
    bool atEnd() const { return at_ == in_.size(); }

private:
    std::span<const std::byte> in_;
    size_t at_ = 0;
    bool failed_ = false;
};

void writeNode(ByteWriter& w, const H5Node& n) {
    w.number(uint8_t(n.kind));
    w.text(n.path);
    if (n.kind == H5Node::Kind::Array) {
        w.number(uint8_t(n.type));
        w.number(uint8_t(n.shape.size()));
        for (const uint64_t d : n.shape)
            w.number(d);
        w.number(n.storedBytes);
    } else if (n.kind == H5Node::Kind::Refused) {
        w.text(n.reason);
    }
    w.number(uint32_t(n.attributes.size()));
    for (const H5TextAttribute& a : n.attributes) {
        w.text(a.name);
        w.number(uint32_t(a.values.size()));
        for (const std::string& v : a.values)
            w.text(v);
    }
}

bool readArray(ByteReader& r, H5Node& n) {
    const uint8_t type = r.number<uint8_t>(), rank = r.number<uint8_t>();
    if (type > uint8_t(DType::F8E5M2) || rank > kH5ImportMaxRank) return false;
    n.type = DType(type);
    for (uint8_t i = 0; i < rank; ++i)
        n.shape.push_back(r.number<uint64_t>());
    if (!h5ImportShapeFits(n.shape)) return false;
    n.storedBytes = r.number<uint64_t>();
    return !r.failed();
}

bool readAttributes(ByteReader& r, H5Node& n) {
    const uint32_t count = r.number<uint32_t>();
    if (count > kH5ImportMaxAttributes) return false;
    for (uint32_t i = 0; i < count && !r.failed(); ++i) {
        H5TextAttribute a;
        a.name = r.text(kH5ImportMaxText);
        const uint32_t values = r.number<uint32_t>();
        if (values > kH5ImportMaxTexts) return false;
        for (uint32_t v = 0; v < values && !r.failed(); ++v)
            a.values.push_back(r.text(kH5ImportMaxText));
        n.attributes.push_back(std::move(a));
    }
    return !r.failed();
}

bool readNode(ByteReader& r, H5Node& n) {
    const uint8_t kind = r.number<uint8_t>();
    if (r.failed() || kind > uint8_t(H5Node::Kind::Refused)) return false;
    n.kind = H5Node::Kind(kind);
    n.path = r.text(kH5ImportMaxPath);
    if (r.failed() || !n.path.starts_with('/') || n.path.find('\0') != std::string::npos) return false;
    if (n.kind == H5Node::Kind::Array && !readArray(r, n)) return false;
    if (n.kind == H5Node::Kind::Refused) n.reason = r.text(kH5ImportMaxText);
    return readAttributes(r, n);
}

Error notAnAnswer(std::string what) {
    return Error::corrupt("the reading process answers wrongly: " + std::move(what));
}

/// Fills the span; Io when the other side closes before.
Result<void> readWhole(const H5ReadSome& readSome, std::span<std::byte> out) {
    while (!out.empty()) {
        QS_TRY(const size_t n, readSome(out));
        if (n == 0 || n > out.size())
            return Error::io("the reading process ended in the middle of an answer");
        out = out.subspan(n);
    }
    return {};
}

} // namespace

bool h5ImportShapeFits(const std::vector<uint64_t>& shape) {
    uint64_t count = 1; // an axis of length 0 does not excuse the others
    for (const uint64_t d : shape)
        if (d > kH5ImportMaxElements || (count *= std::max<uint64_t>(d, 1)) > kH5ImportMaxElements)
            return false;
    return shape.size() <= kH5ImportMaxRank;
}

H5Bytes h5Frame(H5Frame kind, std::span<const std::byte> payload) {
    ByteWriter w;
    w.number(kMagic);
    w.number(uint32_t(kind));
    w.number(uint64_t(payload.size()));
    H5Bytes out = w.take();
    out.insert(out.end(), payload.begin(), payload.end());
    return out;
}

H5Bytes encodeListing(const H5Listing& listing) {
    ByteWriter w;
    w.number(uint32_t(listing.nodes.size()));
    for (const H5Node& n : listing.nodes)
        writeNode(w, n);
    return w.take();
}

Result<H5Listing> decodeListing(std::span<const std::byte> payload) {
    ByteReader r(payload);
    const uint32_t count = r.number<uint32_t>();
    if (count > kH5ImportMaxNodes) return notAnAnswer(fmt::format("a listing of {} objects", count));
    H5Listing listing;
    for (uint32_t i = 0; i < count; ++i) {
        H5Node n;
        if (!readNode(r, n)) return notAnAnswer(fmt::format("object {} of the listing breaks the rules", i));
        if (!listing.nodes.empty() && !(listing.nodes.back().path < n.path))
            return notAnAnswer(fmt::format("object {} of the listing is out of order", i));
        listing.nodes.push_back(std::move(n));
    }
    if (r.failed() || !r.atEnd()) return notAnAnswer("the listing is cut off or followed by something");
    return listing;
}

H5Bytes encodeReadRequest(const H5ReadRequest& request) {
    ByteWriter w;
    w.text(request.path);
    w.number(request.first);
    w.number(request.count);
    return w.take();
}

Result<H5ReadRequest> decodeReadRequest(std::span<const std::byte> payload) {
    ByteReader r(payload);
    H5ReadRequest request;
    request.path = r.text(kH5ImportMaxPath);
    request.first = r.number<uint64_t>();
    request.count = r.number<uint64_t>();
    if (r.failed() || !r.atEnd()) return Error::corrupt("a request that breaks the rules");
    return request;
}

H5Bytes encodeFailure(const Error& error) {
    ByteWriter w;
    w.number(uint8_t(error.code));
    w.text(std::string_view(error.message).substr(0, kH5ImportMaxText));
    w.text(std::string_view(error.where).substr(0, 2 * kH5ImportMaxText));
    return w.take();
}

Error decodeFailure(std::span<const std::byte> payload) {
    ByteReader r(payload);
    const uint8_t code = r.number<uint8_t>();
    Error e;
    e.message = r.text(kH5ImportMaxText);
    e.where = r.text(2 * kH5ImportMaxText);
    // Cancelled is no answer: nobody has asked the process to stop.
    if (r.failed() || !r.atEnd() || e.message.empty() || code >= uint8_t(ErrorCode::Cancelled))
        return notAnAnswer("a failure that breaks the rules");
    e.code = ErrorCode(code);
    return e;
}

Result<H5Received> receiveFrame(const H5ReadSome& readSome, uint64_t maxBytes) {
    std::byte header[kHeaderBytes];
    QS_CHECK(readWhole(readSome, header));
    ByteReader r(header);
    const uint32_t magic = r.number<uint32_t>(), kind = r.number<uint32_t>();
    const uint64_t length = r.number<uint64_t>();
    if (magic != kMagic || kind < uint32_t(H5Frame::List) || kind > uint32_t(H5Frame::Failure))
        return notAnAnswer("no frame");
    const uint64_t limit = H5Frame(kind) == H5Frame::Failure ? std::min(maxBytes, kMaxFailure) : maxBytes;
    if (length > limit) return notAnAnswer(fmt::format("{} bytes announced, the limit is {}", length, limit));
    H5Received received{H5Frame(kind), {}};
    while (received.payload.size() < length) {
        const size_t had = received.payload.size();
        // Doubling, so that a long answer is not copied for every step.
        const size_t take = size_t(std::min<uint64_t>(length - had, std::max(kStep, had)));
        received.payload.resize(had + take);
        QS_CHECK(readWhole(readSome, std::span(received.payload).subspan(had)));
    }
    return received;
}

Result<H5Bytes> receiveAnswer(const H5ReadSome& readSome, H5Frame kind, uint64_t maxBytes) {
    QS_TRY(H5Received received, receiveFrame(readSome, std::max(maxBytes, kMaxFailure)));
    if (received.kind == H5Frame::Failure) return decodeFailure(received.payload);
    if (received.kind != kind || received.payload.size() > maxBytes)
        return notAnAnswer(fmt::format("a frame of kind {} with {} bytes", uint32_t(received.kind),
                                       received.payload.size()));
    return std::move(received.payload);
}

} // namespace qs

// SPDX-License-Identifier: Apache-2.0
// What a taken-over reading process may answer: the program's side of the protocol, and the mapping of a
// listing that it accepted. The first byte says which answer is expected, the second how the bytes arrive.
#include "core/checkpoint/h5_mapping.h"
#include "core/hdf5/h5_import_protocol.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

qs::H5Mapping someMapping() {
    auto mapping = qs::parseH5Mapping(
        R"({"rules": [{"pattern": "/m/*/w", "role": "weight", "module": "layers.{1}", "transpose": true},
            {"pattern": "a/**", "role": "activation"}, {"pattern": "**?/b*", "role": "bias", "flatten": "trailing"}]})",
        "fuzz");
    require(mapping.has_value());
    return std::move(*mapping);
}

void checkMapped(const qs::H5Listing& listing, const qs::H5Mapping& mapping) {
    const auto arrays = qs::mapH5Arrays(listing, mapping);
    if (!arrays) return;
    for (const qs::H5MappedArray& a : *arrays) {
        require(a.node < listing.nodes.size() && !a.name.empty());
        const qs::H5Node& n = listing.nodes[a.node];
        uint64_t shown = 1;
        for (const uint64_t d : a.shape)
            shown *= d;
        require(shown == n.elements() && (a.rows * a.cols == n.elements()));
        require(!a.transpose || a.shape == std::vector<uint64_t>({a.cols, a.rows}));
        require(qs::dtypeInfo(a.type).bits == qs::dtypeInfo(n.type).bits);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const auto expected = data[0] % 2 == 0 ? qs::H5Frame::Listing : qs::H5Frame::Data;
    const size_t step = size_t(data[1]) + 1;
    std::span rest(reinterpret_cast<const std::byte*>(data) + 2, size - 2);
    const qs::H5ReadSome readSome = [&](std::span<std::byte> out) -> qs::Result<size_t> {
        const size_t n = std::min({out.size(), rest.size(), step});
        std::copy_n(rest.begin(), n, out.begin());
        rest = rest.subspan(n);
        return n;
    };
    const auto payload = qs::receiveAnswer(readSome, expected, qs::kH5ImportMaxListing);
    if (!payload) {
        require(!payload.error().message.empty() && payload.error().code != qs::ErrorCode::Cancelled);
        return 0;
    }
    require(payload->size() <= size);
    if (expected == qs::H5Frame::Data) return 0;
    const auto listing = qs::decodeListing(*payload);
    if (!listing) return 0;
    require(qs::encodeListing(*listing) == *payload);
    static const qs::H5Mapping mapping = someMapping();
    checkMapped(*listing, {});
    checkMapped(*listing, mapping);
    return 0;
}

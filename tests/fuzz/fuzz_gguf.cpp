// SPDX-License-Identifier: Apache-2.0
// A whole GGUF file. What the parser accepts must obey the format's rules; what it accepts is opened as a
// model's checkpoint, and every small tensor and the vocabulary are read.
#include "core/checkpoint/checkpoint.h"
#include "core/checkpoint/gguf.h"
#include "core/model/gguf_tokenizer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <unistd.h>

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void checkTensors(const qs::GgufHeader& h, uint64_t fileBytes) {
    std::set<std::string_view> names;
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    for (const qs::GgufTensor& t : h.tensors) {
        require(t.type && t.shape.size() <= 4 && names.insert(t.name).second);
        unsigned __int128 elements = 1;
        for (const uint64_t d : t.shape) {
            elements *= d;
            require(elements <= UINT64_MAX);
        }
        require(elements % t.type->elements == 0 &&
                t.bytes == uint64_t(elements / t.type->elements * t.type->bytes));
        require((t.offset - h.dataOffset) % h.alignment == 0);
        require(t.bytes == 0 ||
                (t.offset >= h.dataOffset && t.offset <= fileBytes && t.bytes <= fileBytes - t.offset));
        if (t.bytes > 0) ranges.emplace_back(t.offset, t.offset + t.bytes);
    }
    std::sort(ranges.begin(), ranges.end());
    for (size_t i = 1; i < ranges.size(); ++i)
        require(ranges[i - 1].second <= ranges[i].first);
}

void checkMetadata(const qs::GgufMetadata& m) {
    for (const auto& [key, value] : m.entries()) {
        require(m.find(key)->bytes.data() == value.bytes.data());
        (void)m.size(key, UINT64_MAX);
        (void)m.number(key);
        (void)m.booleanOr(key, false);
        (void)m.text(key);
        const auto texts = m.texts(key);
        const auto floats = m.floats(key);
        (void)m.integers(key);
        (void)m.octets(key);
        require(!texts || texts->size() == value.count);
        require(!floats || floats->size() == value.count);
    }
}

void openWhole(const uint8_t* data, size_t size) {
    static const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("fuzz_gguf." + std::to_string(getpid()) + ".gguf");
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(data), std::streamsize(size));
    const auto opened = qs::openCheckpoint(path);
    if (!opened) {
        require(!opened.error().describe().empty());
        return;
    }
    const qs::Checkpoint& c = **opened;
    require(c.hasConfig() == c.noConfigReason().empty());
    for (size_t i = 0; i < c.tensors().size(); ++i) {
        const qs::TensorInfo& t = c.tensors()[i];
        require(c.find(t.name) == i && t.bytes <= size);
        if (t.elements() > 65536 || t.elements() == 0) continue;
        const auto values = c.readMatrix(i);
        require(values.has_value() == t.readable());
        if (t.verbatim) require(c.rawBytes(i)->size() == t.bytes);
    }
    require(c.fingerprint().has_value());
    (void)qs::ggufVocabulary(*c.ggufMetadata());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::span file(reinterpret_cast<const std::byte*>(data), size);
    const auto header = qs::parseGguf(file, "fuzz");
    if (!header) {
        require(header.error().describe().rfind("fuzz", 0) == 0);
        return 0;
    }
    checkTensors(*header, size);
    checkMetadata(header->metadata);
    openWhole(data, size);
    return 0;
}

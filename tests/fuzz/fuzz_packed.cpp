// SPDX-License-Identifier: Apache-2.0
// A packed module with its settings. Input (little-endian): u16 length and text of quantization_config; then
// for each tensor u8 part, u8 dtype, u8 rank, u16 per dimension, and its bytes (zeros when the input ends).
// What is opened must be readable: codes in range, streamed rows equal to the whole. Seeds:
// tests/golden/gen/packed_layouts.py.
#include "core/model/packed/packed_linear.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace {

// The order is that of PARTS in packed_layouts.py; seeds name parts and types by position.
constexpr const char* kParts[] = {"qweight",
                                  "qzeros",
                                  "scales",
                                  "g_idx",
                                  "weight",
                                  "weight_packed",
                                  "weight_scale",
                                  "weight_shape",
                                  "weight_zero_point",
                                  "weight_g_idx",
                                  "weight_scale_inv",
                                  "weight_global_scale",
                                  "weight.absmax",
                                  "weight.quant_map",
                                  "weight.nested_absmax",
                                  "weight.nested_quant_map",
                                  "weight.quant_state.bitsandbytes__nf4"};
constexpr size_t kMaxBytes = 1 << 16;

void require(bool condition) {
    if (!condition) std::abort();
}

class Input {
public:
    Input(const uint8_t* data, size_t size) : p_(data), end_(data + size) {}
    bool atEnd() const { return p_ == end_; }
    size_t number(size_t bytes) {
        size_t value = 0;
        for (size_t i = 0; i < bytes && p_ < end_; ++i)
            value |= size_t(*p_++) << (8 * i);
        return value;
    }
    void take(std::span<std::byte> out) {
        const size_t n = std::min(out.size(), size_t(end_ - p_));
        if (n) std::memcpy(out.data(), p_, n);
        p_ += n;
    }

private:
    const uint8_t *p_, *end_;
};

class MemorySource final : public qs::TensorSource {
public:
    std::vector<std::vector<std::byte>> bytes;
    qs::Result<void> readRows(size_t, uint64_t, qs::MatrixView) const override {
        return qs::Error::unsupported("raw bytes only");
    }
    qs::Result<std::span<const std::byte>> rawBytes(size_t index) const override {
        return std::span<const std::byte>(bytes[index]);
    }
};

const std::filesystem::path& folder() {
    static const auto path = [] {
        auto p = std::filesystem::temp_directory_path() / ("fuzz_packed." + std::to_string(getpid()));
        std::filesystem::create_directories(p);
        return p;
    }();
    return path;
}

/// Settings are read from the file for their order.
nlohmann::json writeConfig(Input& in) {
    std::string text(std::min(in.number(2), kMaxBytes), ' ');
    in.take(std::as_writable_bytes(std::span(text)));
    text = "{\"quantization_config\":" + text + "}";
    nlohmann::json config = nlohmann::json::parse(text, nullptr, false);
    if (!config.is_object()) return {};
    std::ofstream(folder() / "config.json", std::ios::trunc) << text;
    return config;
}

bool addTensor(Input& in, std::vector<qs::TensorInfo>& tensors, MemorySource& source) {
    qs::TensorInfo t;
    t.name = std::string("m.") + kParts[in.number(1) % std::size(kParts)];
    t.dtype = qs::DType(in.number(1) % (size_t(qs::DType::F8E8M0) + 1));
    t.shape.resize(in.number(1) % 4);
    size_t bytes = size_t(qs::dtypeInfo(t.dtype).bits) / 8;
    for (uint64_t& d : t.shape) {
        d = in.number(2);
        bytes *= d;
        if (bytes > kMaxBytes) return false;
    }
    for (const auto& other : tensors)
        if (other.name == t.name) return false;
    t.bytes = bytes;
    in.take(source.bytes.emplace_back(bytes));
    tensors.push_back(std::move(t));
    return true;
}

void checkReading(const qs::PackedLinear& linear) {
    const qs::PackedInfo& info = linear.info();
    require(info.out > 0 && info.in > 0 && info.groupSize > 0 && info.bits >= 1 && info.bits <= 8);
    require(info.scaleRows > 0 && info.groups > 0 && !info.label.empty() && info.bitsPerWeight() > 0);
    if (info.out * info.in > (1u << 20)) return;
    const auto codes = linear.codes();
    require(bool(codes));
    for (int16_t code : codes->span())
        require(code >= -128 && code < 256 && (info.layout == "ct_int" || code >> info.bits == 0));
    const auto values = linear.dequantize();
    const auto scales = linear.scales();
    require(bool(values) == bool(scales));
    if (!values) return;
    require(scales->scale.rows() == info.scaleRows && scales->scale.cols() == info.groups);
    qs::Matrix row(1, info.in);
    for (size_t r = 0; r < info.out; r += 1 + info.out / 8) {
        require(bool(linear.readRows(r, row.view())));
        require(std::memcmp(row.data(), values->row(r), info.in * sizeof(float)) == 0);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input in(data, size);
    nlohmann::json config = writeConfig(in);
    if (config.is_null()) return 0;
    auto source = std::make_unique<MemorySource>();
    std::vector<qs::TensorInfo> tensors;
    while (!in.atEnd())
        if (!addTensor(in, tensors, *source)) return 0;
    if (tensors.empty()) return 0;
    const qs::Checkpoint checkpoint(folder(), "fuzz", std::move(tensors), std::move(source),
                                    std::move(config));
    const auto linear = qs::PackedReader(checkpoint).find("m");
    if (!linear)
        require(!linear.error().message.empty());
    else if (*linear)
        checkReading(**linear);
    return 0;
}

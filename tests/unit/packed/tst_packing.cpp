// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/checkpoint.h"
#include "core/codec/packing.h"
#include "tests/support/qs_test.h"

#include <cstring>

using namespace qs;

namespace {

template<class T>
std::vector<T> raw(const Checkpoint& c, const std::string& name) {
    const auto bytes = c.rawBytes(c.find(name));
    std::vector<T> out(bytes ? bytes->size() / sizeof(T) : 0);
    if (bytes) std::memcpy(out.data(), bytes->data(), out.size() * sizeof(T));
    return out;
}

} // namespace

class Packing : public QObject {
    Q_OBJECT
private slots:
    void byHand();
    void threeBitsSplitAcrossWords();
    void streamOfAnyWidth();
    void golden_data();
    void golden();
    void errors();
};

void Packing::byHand() {
    const uint8_t nibbles[] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint32_t word[1] = {0xffffffff};
    QS_VERIFY_OK(packFields(nibbles, 4, word));
    QCOMPARE(word[0], 0x87654321u);
    const uint8_t bytes[] = {0x7f, 0, 0xff, 0x80};
    QS_VERIFY_OK(packFields(bytes, 8, word));
    QCOMPARE(word[0], 0x80ff007fu);
    const uint8_t crumbs[] = {3, 0, 1}; // 3 | 0 << 2 | 1 << 4; the rest of the word is zero
    QS_VERIFY_OK(packFields(crumbs, 2, word));
    QCOMPARE(word[0], 0x13u);
}

void Packing::threeBitsSplitAcrossWords() {
    // Field 10 has its low two bits in word 0 and its high bit in word 1; field 21 one and two.
    std::vector<uint8_t> fields(32, 0);
    uint32_t words[3];
    fields[10] = 6; // 110b
    QS_VERIFY_OK(packFields(fields, 3, words));
    QCOMPARE(words[0], 2u << 30);
    QCOMPARE(words[1], 1u);
    QCOMPARE(words[2], 0u);
    fields[10] = 0;
    fields[21] = 5; // 101b
    QS_VERIFY_OK(packFields(fields, 3, words));
    QCOMPARE(words[0], 0u);
    QCOMPARE(words[1], 1u << 31);
    QCOMPARE(words[2], 2u);
}

void Packing::streamOfAnyWidth() {
    for (int bits = 1; bits <= 8; ++bits)
        for (size_t count : {size_t(1), size_t(31), size_t(32), size_t(33), size_t(100)}) {
            std::vector<uint8_t> in(count), out(count, 0xee);
            for (size_t i = 0; i < count; ++i)
                in[i] = uint8_t((i * 37 + 11) & ((1u << bits) - 1));
            std::vector<uint32_t> words(packedWords(count, bits), 0xdeadbeef);
            QCOMPARE(words.size(), (count * size_t(bits) + 31) / 32);
            QS_VERIFY_OK(packFields(in, bits, words));
            for (size_t bit = 0; bit < words.size() * 32; ++bit) {
                const size_t field = bit / size_t(bits);
                const bool expected = field < count && (in[field] >> (bit % size_t(bits)) & 1);
                QCOMPARE(bool(words[bit / 32] >> (bit % 32) & 1), expected);
            }
            QS_VERIFY_OK(unpackFields(words, bits, out));
            QCOMPARE(out, in);
        }
}

void Packing::golden_data() {
    QTest::addColumn<int>("bits");
    for (int bits : {2, 3, 4, 8})
        QTest::addRow("%d bits", bits) << bits;
}

// Packed by tests/golden/gen/gptq_packing.py from the layout's description.
void Packing::golden() {
    QFETCH(int, bits);
    const auto file = openCheckpoint(test::sourceDir() / "tests/golden/gptq/packing.safetensors");
    QS_VERIFY_OK(file);
    const Checkpoint& c = **file;
    const std::string prefix = "b" + std::to_string(bits) + ".";
    const auto shape = c.tensors()[c.find(prefix + "codes")].shape;
    const size_t out = shape[0], in = shape[1], groups = c.tensors()[c.find(prefix + "zeros")].shape[0];

    const auto codes = raw<uint8_t>(c, prefix + "codes");
    const auto qweight = raw<uint32_t>(c, prefix + "qweight");
    std::vector<uint32_t> words(qweight.size(), 0xffffffff);
    QS_VERIFY_OK(packGptqWeight(codes, out, in, bits, words));
    QVERIFY(!words.empty() && words == qweight);
    std::vector<uint8_t> back(codes.size(), 0xee);
    QS_VERIFY_OK(unpackGptqWeight(qweight, out, in, bits, back));
    QVERIFY(back == codes);

    auto zeros = raw<uint8_t>(c, prefix + "zeros");
    const auto v2 = raw<uint32_t>(c, prefix + "qzeros_v2"), v1 = raw<uint32_t>(c, prefix + "qzeros_v1");
    words.assign(v2.size(), 0xffffffff);
    QS_VERIFY_OK(packGptqZeros(zeros, groups, out, bits, words));
    QVERIFY(!words.empty() && words == v2);
    back.assign(zeros.size(), 0xee);
    QS_VERIFY_OK(unpackGptqZeros(v2, groups, out, bits, back));
    QVERIFY(back == zeros);
    for (uint8_t& z : zeros)
        --z;
    QS_VERIFY_OK(packGptqZeros(zeros, groups, out, bits, words));
    QVERIFY(words == v1);
}

void Packing::errors() {
    std::vector<uint8_t> codes(32, 1);
    std::vector<uint32_t> words(4);
    QVERIFY(!packFields(codes, 0, words));
    QVERIFY(!packFields(codes, 9, words));
    QVERIFY(!packFields(codes, 4, std::span(words).first(3)));
    codes[7] = 16;
    const auto big = packFields(codes, 4, words);
    QVERIFY(!big);
    QVERIFY(big.error().message.find("code 16 at 7") != std::string::npos);
    codes[7] = 1;
    QVERIFY(!packGptqWeight(codes, 2, 16, 4, words)); // 16 inputs do not fill a word at every width
    QVERIFY(!packGptqWeight(codes, 2, 32, 4, words)); // 64 codes expected
    QVERIFY(!packGptqZeros(codes, 2, 16, 4, words));
    QS_VERIFY_OK(packGptqWeight(codes, 1, 32, 4, words));
}

QS_TEST(Packing)
#include "tst_packing.moc"

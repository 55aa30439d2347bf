// SPDX-License-Identifier: Apache-2.0
// What every codec of the registry promises.
#include "core/codec/codec.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <nlohmann/json.hpp>

using namespace qs;

class CodecContract : public QObject {
    Q_OBJECT
    static void rows() {
        QTest::addColumn<QString>("id");
        for (const CodecDescriptor* d : codecs())
            QTest::addRow("%s", d->id.c_str()) << QString::fromStdString(d->id);
    }
    static const CodecDescriptor* descriptor() {
        QFETCH(QString, id);
        return *findCodec(id.toStdString());
    }
private slots:
    void described_data() { rows(); }
    void described() {
        const CodecDescriptor* d = descriptor();
        QVERIFY(!d->label.empty() && !d->summary.empty() && !d->citation.empty());
        for (const ParamSpec& s : d->params)
            QVERIFY2(!s.label.empty() && !s.help.empty(), s.key.c_str());
    }
    void parametersRoundTrip_data() { rows(); }
    void parametersRoundTrip() {
        const CodecDescriptor* d = descriptor();
        const Params p = Params::defaults(d->params);
        const auto again = Params::fromJson(d->params, p.toJson(), "test");
        QS_VERIFY_OK(again);
        QVERIFY(*again == p);
        QVERIFY(!Params::fromJson(d->params, {{"no_such_key", 1}}, "test"));
        const auto codec = d->create(p);
        QS_VERIFY_OK(codec);
        QVERIFY((*codec)->params() == p);
        QCOMPARE((*codec)->id(), d->id);
    }
    void codesAreStable_data() { rows(); }
    void codesAreStable() {
        const auto codec = *descriptor()->create(Params::defaults(descriptor()->params));
        if (!codec->hasLevels()) return; // tested with their tables
        float s = 0, z = 0;
        codec->fitRange(-0.37f, 0.91f, s, z);
        for (int c = 0; c < codec->levels(); ++c) {
            const float v = codec->decode(uint8_t(c), s, z);
            QVERIFY(std::isfinite(v));
            uint8_t code = 0;
            float out = 0;
            codec->round(&v, 1, &s, &z, &code, &out);
            QCOMPARE(codec->decode(code, s, z), v);
        }
    }
    void nearestIsNearest_data() { rows(); }
    void nearestIsNearest() {
        const auto codec = *descriptor()->create(Params::defaults(descriptor()->params));
        if (!codec->hasLevels()) return;
        float s = 0, z = 0;
        codec->fitRange(-1.0f, 1.5f, s, z);
        for (int i = -300; i <= 300; ++i) {
            const float v = float(i) * 0.0071f;
            uint8_t code = 0;
            float out = 0;
            codec->round(&v, 1, &s, &z, &code, &out);
            float best = INFINITY;
            for (int c = 0; c < codec->levels(); ++c)
                best = std::min(best, std::fabs(codec->decode(uint8_t(c), s, z) - v));
            QVERIFY(std::fabs(out - v) <= best * 1.0001f + 1e-7f);
        }
    }
    void bitsArePositive_data() { rows(); }
    void bitsArePositive() {
        const auto codec = *descriptor()->create(Params::defaults(descriptor()->params));
        const auto bits = codec->storedBits(8, 256);
        QS_VERIFY_OK(bits);
        QVERIFY(bits->total() >= uint64_t(8) * 256 * uint64_t(codec->bits()));
        QVERIFY(!codec->storedBits(0, 256));
    }
    void bitsCanBeChosen_data() { rows(); }
    void bitsCanBeChosen() {
        const CodecDescriptor* d = descriptor();
        QVERIFY(!d->bits.empty());
        for (const int bits : d->bits) {
            const auto params = d->withBits(Params::defaults(d->params), bits);
            QS_VERIFY_OK(params);
            QCOMPARE((*d->create(*params))->bits(), bits);
        }
        const auto refused = d->withBits(Params::defaults(d->params), 57);
        QVERIFY(!refused && refused.error().message.find("57") != std::string::npos);
    }
};

QS_TEST(CodecContract)
#include "tst_codec_contract.moc"

// SPDX-License-Identifier: Apache-2.0
// What every method of the registry promises.
#include "core/linalg/blas.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

#include <thread>

using namespace qs;
using namespace qs::test;

class MethodContract : public QObject {
    Q_OBJECT
    static void rows() {
        QTest::addColumn<QString>("id");
        for (const MethodDescriptor* d : methods())
            QTest::addRow("%s", d->id.c_str()) << QString::fromStdString(d->id);
    }
    static std::string id() {
        QFETCH(QString, id);
        return id.toStdString();
    }
    /// The defaults, and every parameter that has to do with extras at values of its own.
    static std::vector<nlohmann::json> variants(const MethodDescriptor& d) {
        std::vector<nlohmann::json> out = {nlohmann::json::object()};
        for (const ParamSpec& s : d.params) {
            if (s.key == "outliers")
                for (const double share : {0.0, 0.013, 0.5})
                    out.push_back({{"outliers", share}});
            if (s.key == "outlier_shape") out.push_back({{"outliers", 0.1}, {"outlier_shape", "columns"}});
            if (s.key == "low_frac")
                for (const double share : {0.5, 0.987, 1.0})
                    out.push_back({{"low_frac", share}});
            if (s.key == "rank")
                for (const int rank : {1, 7, 1000})
                    out.push_back({{"rank", rank}});
        }
        return out;
    }
private slots:
    void described_data() { rows(); }
    void described() {
        const MethodDescriptor* d = *findMethod(id());
        QVERIFY(!d->label.empty() && !d->summary.empty() && !d->citation.empty() && d->flops(64, 64) > 0);
        for (const ParamSpec& s : d->params)
            QVERIFY2(!s.label.empty() && !s.help.empty(), s.key.c_str());
    }
    void parameters_data() { rows(); }
    void parameters() {
        const MethodDescriptor* d = *findMethod(id());
        const Params p = Params::defaults(d->params);
        const auto again = Params::fromJson(d->params, p.toJson(), "test");
        QS_VERIFY_OK(again);
        QVERIFY(*again == p);
        const auto unknown = Params::fromJson(d->params, {{"no_such_key", 1}}, "recipe.json");
        QVERIFY(!unknown);
        QVERIFY(unknown.error().message.find("no_such_key") != std::string::npos);
    }
    void deterministicWhateverTheThreads_data() { rows(); }
    void deterministicWhateverTheThreads() {
        const Layer l = makeLayer(67, 192, 256, 7);
        const auto codec = intCodec({{"bits", 3}, {"group", 64}});
        const auto run = [&](int threads) {
            auto backend = makeCpuBackend(threads);
            auto q = runMethod(id(), l, *codec, *backend);
            if (!q) qFatal("%s", q.error().describe().c_str());
            return std::move(*q);
        };
        const QuantizedTensor a = run(1), b = run(1), c = run(2), d = run(4);
        QCOMPARE(a.codes, b.codes);
        QCOMPARE(a.codes, c.codes);
        QCOMPARE(a.codes, d.codes);
        for (size_t i = 0; i < a.scale.size(); ++i)
            QCOMPARE(a.scale.data()[i], d.scale.data()[i]);
        const Matrix x = codec->dequantize(a), y = codec->dequantize(d); // extras too
        for (size_t i = 0; i < x.size(); ++i)
            QCOMPARE(x.data()[i], y.data()[i]);
    }
    /// The size that plans are made with is that of what is made.
    void extrasAsPromised_data() { rows(); }
    void extrasAsPromised() {
        const MethodDescriptor* d = *findMethod(id());
        auto backend = makeCpuBackend(1);
        const auto codec = intCodec({{"bits", 3}, {"group", 32}});
        const Layer l = makeLayer(20, 64, 128, 9);
        for (const nlohmann::json& params : variants(*d)) {
            const auto q = runMethod(id(), l, *codec, *backend, params);
            QS_VERIFY_OK(q);
            const Params full = *Params::fromJson(d->params, params, "test");
            const ExtrasSize promised = d->extras ? d->extras(full, 20, 64) : ExtrasSize{};
            QVERIFY2(sizeOf(q->extras) == promised, params.dump().c_str());
        }
    }
    void finiteOnHardInputs_data() { rows(); }
    void finiteOnHardInputs() {
        auto backend = makeCpuBackend(1);
        const auto codec = intCodec({{"bits", 4}, {"group", 32}});
        Layer l = makeLayer(8, 64, 128, 3);
        for (size_t c = 0; c < 64; ++c) {
            l.weight(0, c) = 0;          // zeros
            l.weight(1, c) = 0.25f;      // all equal
            l.weight(2, c) = 1e-40f;     // denormals
            l.weight(3, c) = c ? 0 : 30; // one outlier
        }
        for (size_t i = 0; i < 64; ++i) // an input that never fires
            l.sigma(5, i) = l.sigma(i, 5) = 0;
        const auto q = runMethod(id(), l, *codec, *backend);
        QS_VERIFY_OK(q);
        const Matrix m = (*codecOf(*q))->dequantize(*q);
        for (float v : m.span())
            QVERIFY(std::isfinite(v));
        for (size_t c = 0; c < 64; ++c)
            QCOMPARE(m(0, c), 0.0f);
    }
    void refusesNaN_data() { rows(); }
    void refusesNaN() {
        auto backend = makeCpuBackend(1);
        const auto codec = intCodec({{"group", 32}});
        Layer l = makeLayer(8, 64, 128, 3);
        l.weight(2, 9) = NAN;
        const auto q = runMethod(id(), l, *codec, *backend);
        QVERIFY(!q);
        QVERIFY(q.error().message.find("[2, 9]") != std::string::npos);
    }
    void notWorseThanRtn_data() { rows(); }
    void notWorseThanRtn() {
        if (!(*findMethod(id()))->notWorseThanRtn) return; // makes no such promise
        auto backend = makeCpuBackend(0);
        for (int bits : {2, 3, 4, 8})
            for (const char* grid : {"asymmetric", "symmetric"})
                for (uint64_t seed = 0; seed < 3; ++seed) {
                    const Layer l = makeLayer(48, 128, 512, seed);
                    const auto codec = intCodec({{"bits", bits}, {"group", 64}, {"grid", grid}});
                    const auto own = runMethod(id(), l, *codec, *backend),
                               rtn = runMethod("rtn", l, *codec, *backend);
                    QS_VERIFY_OK(own);
                    QS_VERIFY_OK(rtn);
                    const double a = outputError(l, codec->dequantize(*own)),
                                 b = outputError(l, codec->dequantize(*rtn));
                    QVERIFY2(
                        a <= b,
                        qPrintable(
                            QString("%1 bits, %2: %3 above RTN's %4").arg(bits).arg(grid).arg(a).arg(b)));
                }
    }
    void cancelInTime_data() { rows(); }
    void cancelInTime() {
        auto backend = makeCpuBackend(0);
        const Layer l = makeLayer(32, 64, 64, 1);
        const auto codec = intCodec({{"group", 32}});
        std::stop_source stop;
        stop.request_stop();
        const auto before =
            runMethod(id(), l, *codec, *backend, nlohmann::json::object(), JobContext(stop.get_token()));
        QVERIFY(!before);
        QVERIFY(before.isCancelled());
    }
};

QS_TEST(MethodContract)
#include "tst_method_contract.moc"

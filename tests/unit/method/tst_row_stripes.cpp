// SPDX-License-Identifier: Apache-2.0
#include "core/quant/rounding/row_stripes.h"
#include "tests/support/forwarding_backend.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

#include <mutex>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

struct AtOnce : ForwardingBackend {
    bool inMainMemory() const override { return false; }
};

std::shared_ptr<const Codec> superBlocks() {
    const CodecDescriptor* d = *findCodec("ggml");
    return *d->create(*Params::fromJson(d->params, {{"type", "q4_k"}}, "test"));
}

using Stripes = std::vector<std::pair<size_t, size_t>>; ///< first row and count

Result<Stripes> stripesOf(size_t rows, size_t together, const Backend& backend) {
    std::mutex mutex;
    Stripes seen;
    QS_CHECK(forRowStripes(rows, together, backend, {}, [&](size_t first, size_t count, const JobContext&) {
        const std::lock_guard lock(mutex);
        seen.emplace_back(first, count);
        return Result<void>();
    }));
    std::sort(seen.begin(), seen.end());
    return seen;
}

} // namespace

class RowStripes : public QObject {
    Q_OBJECT
private slots:
    void cutAlike() {
        for (const int threads : {1, 2, 5}) {
            const auto backend = makeCpuBackend(threads);
            QCOMPARE(*stripesOf(64, 1, *backend), (Stripes{{0, 64}}));
            QCOMPARE(*stripesOf(150, 1, *backend), (Stripes{{0, 64}, {64, 64}, {128, 22}}));
            QCOMPARE(*stripesOf(1000, 1, *backend)->rbegin(), (std::pair<size_t, size_t>{896, 104}));
            QCOMPARE(stripesOf(5632, 1, *backend)->size(), size_t(22));
            QCOMPARE(*stripesOf(400, 192, *backend), (Stripes{{0, 192}, {192, 192}, {384, 16}}));
        }
        QCOMPARE(*stripesOf(200, 48, *makeCpuBackend(2)), (Stripes{{0, 96}, {96, 96}, {192, 8}}));
        QCOMPARE(*stripesOf(5632, 1, AtOnce()), (Stripes{{0, 5632}}));
    }

    void anErrorEndsIt() {
        const auto backend = makeCpuBackend(2);
        const auto done = forRowStripes(640, 1, *backend, {}, [](size_t first, size_t, const JobContext&) {
            return first == 128 ? Result<void>(Error::invalid("row 128")) : Result<void>();
        });
        QVERIFY(!done);
        QVERIFY(done.error().message.find("row 128") != std::string::npos);
    }

    void cancelled() {
        const Layer l = makeLayer(300, 64, 100, 3);
        const auto codec = intCodec({{"bits", 4}, {"group", 32}});
        const auto backend = makeCpuBackend(2);
        std::stop_source stop;
        const JobContext job(stop.get_token(), [&](const Progress&) { stop.request_stop(); });
        const auto q = runMethod("gptq", l, *codec, *backend, {{"block_size", 8}}, job);
        QVERIFY(!q);
        QVERIFY(q.isCancelled());
    }

    void asAtOnce_data() {
        QTest::addColumn<QString>("method");
        QTest::addColumn<QString>("params");
        QTest::addColumn<QString>("codec");
        QTest::newRow("gptq") << "gptq"
                              << "{}"
                              << "int";
        QTest::newRow("gptq, ordered") << "gptq"
                                       << R"({"act_order":true})"
                                       << "int";
        QTest::newRow("gptq, searched") << "gptq"
                                        << R"({"range":"mse"})"
                                        << "int";
        QTest::newRow("gptq, super-blocks") << "gptq"
                                            << "{}"
                                            << "ggml";
        QTest::newRow("spqr") << "spqr"
                              << "{}"
                              << "int";
        QTest::newRow("sparse24") << "sparse24"
                                  << "{}"
                                  << "int";
    }
    /// The solvers of rows: by stripes on the processor, all at once for a device.
    void asAtOnce() {
        AtOnce atOnce;
        QFETCH(QString, method);
        QFETCH(QString, params);
        QFETCH(QString, codec);
        const Layer l = makeLayer(150, 256, 600, 8); // stripes of 64, 64 and 22
        const auto c = codec == "ggml" ? superBlocks() : intCodec({{"bits", 3}, {"group", 32}});
        const json options = json::parse(params.toStdString());
        const auto whole = runMethod(method.toStdString(), l, *c, atOnce, options);
        QS_VERIFY_OK(whole);
        for (const int threads : {1, 3}) {
            auto backend = makeCpuBackend(threads);
            std::vector<double> seen;
            const JobContext job({}, [&](const Progress& p) { seen.push_back(p.fraction()); });
            const auto q = runMethod(method.toStdString(), l, *c, *backend, options, job);
            QS_VERIFY_OK(q);
            size_t differing = 0; // a weight on the edge between two codes may fall either way
            for (size_t r = 0; r < 150; ++r)
                differing +=
                    !std::equal(&q->codes[r * 256], &q->codes[r * 256] + 256, &whole->codes[r * 256]);
            QVERIFY2(differing <= 3, qPrintable(QString("%1 of 150 rows differ").arg(differing)));
            QVERIFY(std::is_sorted(seen.begin(), seen.end()));
            const double a = outputError(l, c->dequantize(*q)), b = outputError(l, c->dequantize(*whole));
            QVERIFY(std::fabs(a - b) <= 0.01 * b);
        }
    }
};

QS_TEST(RowStripes)
#include "tst_row_stripes.moc"

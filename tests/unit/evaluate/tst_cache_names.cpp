// SPDX-License-Identifier: Apache-2.0
// What names a rounding of the KV cache: kept hidden states are found by it.
#include "core/model/kv_rounder.h"
#include "tests/support/qs_test.h"

#include <nlohmann/json.hpp>

using namespace qs;

class CacheNames : public QObject {
    Q_OBJECT
private slots:
    /// Formats and rounders that differ have different names, those made alike the same one.
    void names() {
        const auto make = [&](size_t i) -> std::shared_ptr<const CacheFormat> {
            const CodecDescriptor* d = *findCodec("int");
            const auto codec = [&](int bits) {
                return *d->create(*Params::fromJson(d->params, {{"bits", bits}, {"group", -1}}, "test"));
            };
            const auto rounder = std::make_shared<const RowRounder>(codec(i == 1 ? 3 : 4));
            const ChannelRange range{{-1, -2}, {1, 2}}, wider{{-1, -2}, {1, 3}};
            KeyCodebook book;
            book.heads = 1;
            book.headDim = book.length = book.count = 2;
            book.whiten = Matrix(2, 2);
            book.unwhiten = Matrix(2, 2);
            book.centers = Matrix(2, 2);
            book.centers(1, 1) = i == 9 ? 1 : 0;
            switch (i) {
            case 0:
            case 1:
                return tokenFormat(rounder);
            case 2:
                return channelRunFormat(rounder);
            case 3:
            case 4:
                return staticFormat(codec(4), range, i == 4);
            case 5:
                return staticFormat(codec(4), wider, false);
            case 6:
            case 7:
                return smoothedFormat(rounder, i == 6 ? range : wider);
            default:
                return codebookFormat(std::make_shared<const KeyCodebook>(std::move(book)));
            }
        };
        constexpr size_t kFormats = 10;
        for (size_t i = 0; i < kFormats; ++i)
            for (size_t j = 0; j < kFormats; ++j)
                QCOMPARE(make(i)->identity() == make(j)->identity(), i == j);
        const auto rounders = [&] {
            std::vector<KvRounder> all(7);
            for (KvRounder& r : all)
                r.steps = {{0, make(0), make(2)}};
            all[1].steps[0].values = nullptr;
            all[2].steps[0].fromAge = 1;
            all[3].beforeRotation = true;
            all[4].exactTokens = 1;
            all[5].windowed = WindowedRope{};
            all[6].bestTokens = 1;
            return all;
        };
        const auto a = rounders(), b = rounders();
        for (size_t i = 0; i < a.size(); ++i)
            for (size_t j = 0; j < b.size(); ++j)
                QCOMPARE(a[i].identity() == b[j].identity(), i == j);
    }
};

QS_TEST(CacheNames)
#include "tst_cache_names.moc"

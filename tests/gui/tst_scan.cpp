// SPDX-License-Identifier: GPL-3.0-or-later
// The weight scan: which tensor is read next, and whose statistics are kept.
#include "app/session/ScanQueue.h"
#include "app/session/StatsCache.h"
#include "tests/support/qs_test.h"

using namespace qs;
using namespace qs::app;

class TstScan : public QObject {
    Q_OBJECT

private slots:
    void statsCacheForgetsTheOldest() {
        const auto stats = [](size_t channels) {
            auto s = std::make_shared<TensorStats>();
            s->input.absmax.assign(channels, 1.0f);
            return std::shared_ptr<const TensorStats>(s);
        };
        const size_t one = StatsCache::bytesOf(*stats(1000));
        StatsCache cache(3 * one);
        for (int t = 0; t < 3; ++t)
            cache.insert(t, stats(1000));
        QVERIFY(cache.find(0)); // used: 1 is the oldest now
        cache.insert(3, stats(1000));
        QVERIFY(cache.find(0) && !cache.find(1) && cache.find(2) && cache.find(3));
        QVERIFY(cache.bytes() <= 3 * one);
        cache.insert(2, stats(1000)); // replaces
        QCOMPARE(cache.size(), size_t(3));
        cache.insert(9, stats(100000)); // larger than everything: it alone stays
        QCOMPARE(cache.size(), size_t(1));
        QVERIFY(cache.find(9));
    }

    void scanQueueServesWhatIsSeenFirst() {
        ScanQueue queue(6);
        queue.skip(1);
        QCOMPARE(*queue.next(), 0);
        queue.want({4, 1, 99, 4});
        QCOMPARE(*queue.next(), 4);
        QCOMPARE(*queue.next(), 2);
        queue.want({5});
        QCOMPARE(*queue.next(), 5);
        QCOMPARE(*queue.next(), 3);
        QVERIFY(!queue.next());
    }
};

QS_TEST(TstScan)
#include "tst_scan.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ReceiptPane.h"

#include "widgets/models/Metric.h"
#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/EmptyState.h"
#include "widgets/views/KeyValueGrid.h"
#include "widgets/views/SectionHeader.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QApplication>
#include <QClipboard>
#include <QHeaderView>
#include <QPainter>
#include <QPushButton>
#include <QStackedWidget>
#include <QStandardItemModel>
#include <QTableView>
#include <QVBoxLayout>
#include <numeric>

namespace qs::app {

namespace {
/// "layers.0.mlp.up_proj": what every tensor name has around it says nothing.
QString shortName(const std::string& tensor) {
    QString name = QString::fromStdString(tensor);
    if (name.startsWith(QLatin1String("model."))) name.remove(0, 6);
    if (name.endsWith(QLatin1String(".weight"))) name.chop(7);
    return name;
}
} // namespace

/// Two lines on a soft fill, green only when the file was reopened and is equal.
class ReceiptPane::Banner : public QWidget {
public:
    explicit Banner(QWidget* parent = nullptr) : QWidget(parent) {
        setFixedHeight(2 * fontMetrics().height() + 22);
        connect(&ui::ThemeNotifier::instance(), &ui::ThemeNotifier::changed, this,
                qOverload<>(&QWidget::update));
    }
    void setText(bool good, const QString& first, const QString& second) {
        m_good = good;
        m_first = first;
        m_second = second;
        setAccessibleName(first);
        update();
    }
    QString text() const { return m_first + QLatin1Char('\n') + m_second; }

protected:
    void paintEvent(QPaintEvent*) override {
        const ui::Theme& t = ui::theme();
        QPainter p(this);
        p.fillRect(rect(), m_good ? t.okFill : t.errorFill);
        p.fillRect(QRect(0, height() - 1, width(), 1), t.border);
        const QColor ink = m_good ? t.ok : t.error;
        ui::paintIcon(p, QRectF(12, height() / 2.0 - 8, 16, 16),
                      m_good ? QStringLiteral("verify") : QStringLiteral("error"), ink);
        const QRectF words = QRectF(rect()).adjusted(40, 8, -8, -9);
        p.setPen(ink);
        p.setFont(ui::boldFont());
        p.drawText(words, Qt::AlignLeft | Qt::AlignTop,
                   QFontMetricsF(p.font()).elidedText(m_first, Qt::ElideRight, words.width()));
        p.setFont(font());
        p.setPen(t.text);
        p.drawText(words, Qt::AlignLeft | Qt::AlignBottom,
                   fontMetrics().elidedText(m_second, Qt::ElideRight, int(words.width())));
    }

private:
    bool m_good = true;
    QString m_first, m_second;
};

ReceiptPane::ReceiptPane(QWidget* parent) : QWidget(parent), m_stack(new QStackedWidget) {
    setObjectName(QStringLiteral("receiptPane"));
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Receipt"));
    row->addStretch();
    m_copy = new QPushButton(tr("Copy"));
    m_copy->setObjectName(QStringLiteral("copyReceipt"));
    m_copy->setToolTip(tr("Copies the receipt as tab-separated text."));
    row->addWidget(m_copy);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(row);
    layout->addWidget(m_stack, 1);
    m_stack->addWidget(new ui::EmptyState(tr("Nothing is exported yet. The receipt shows what was planned, "
                                             "what was written, and what a second reader "
                                             "found in the files.")));
    m_stack->addWidget(makeContent());
    connect(m_copy, &QPushButton::clicked, this, [this] { QApplication::clipboard()->setText(asText()); });
    setReceipt(nullptr);
}

QWidget* ReceiptPane::makeContent() {
    m_banner = new Banner;
    m_totals = new ui::KeyValueGrid;
    m_totals->setObjectName(QStringLiteral("receiptTotals"));
    m_linesHead = new ui::SectionHeader(tr("Planned and done"));
    m_lines = new QStandardItemModel(this);
    m_table = new QTableView;
    m_table->setObjectName(QStringLiteral("receiptLines"));
    m_table->setAccessibleName(tr("Planned and done"));
    ui::setupTable(m_table);
    m_table->setModel(m_lines);
    m_table->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_files = new ui::KeyValueGrid;
    m_files->setObjectName(QStringLiteral("receiptFiles"));
    const auto padded = [](QWidget* w) {
        auto* frame = new QWidget;
        auto* l = new QVBoxLayout(frame);
        l->setContentsMargins(10, 6, 10, 8);
        l->addWidget(w);
        return frame;
    };
    auto* content = new QWidget;
    auto* layout = new QVBoxLayout(content);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_banner);
    layout->addWidget(padded(m_totals));
    layout->addWidget(m_linesHead);
    layout->addWidget(m_table, 1);
    layout->addWidget(new ui::SectionHeader(tr("Files"), tr("SHA-256")));
    layout->addWidget(padded(m_files));
    return content;
}

void ReceiptPane::setReceipt(std::shared_ptr<const Receipt> receipt) {
    m_receipt = std::move(receipt);
    m_stack->setCurrentIndex(m_receipt ? 1 : 0);
    m_copy->setEnabled(bool(m_receipt));
    if (!m_receipt) return;
    showBanner();
    showTotals();
    showLines();
    showFiles();
}

void ReceiptPane::showBanner() {
    m_banner->setText(
        m_receipt->verified, QString::fromStdString(m_receipt->summary()),
        tr("Reopened by the readers, %1 tensors compared.", nullptr, int(m_receipt->lines.size()))
            .arg(ui::integerText(qint64(m_receipt->lines.size()))));
}

void ReceiptPane::showTotals() {
    using Tone = ui::KeyValueGrid::Tone;
    const Receipt& r = *m_receipt;
    uint64_t codes = 0, notFinite = 0;
    int different = 0;
    for (const ReceiptLine& l : r.lines) {
        codes += l.codesDiffering;
        notFinite += l.notFinite;
        different += l.planned != l.done;
    }
    const auto good = [](bool ok) { return ok ? Tone::Ok : Tone::Error; };
    m_totals->clear();
    m_totals->addRow(tr("Folder"), QString::fromStdString(r.directory.string()), Tone::Mono);
    const auto exporter = findExporter(r.exporter);
    m_totals->addRow(tr("Format"), QString::fromStdString(exporter ? (*exporter)->label : r.exporter));
    if (!r.transforms.empty())
        m_totals->addRow(tr("Scaled before by"), QString::fromStdString(transformsText(r.transforms)),
                         Tone::Normal,
                         tr("Transforms of the run: kept tensors hold what they made of them."));
    m_totals->addRow(tr("Bytes, planned"), ui::integerText(qint64(r.bytesPlanned)));
    const bool equal = r.bytesPlanned == r.bytesWritten;
    m_totals->addRow(tr("Bytes, written"),
                     equal ? tr("%1 = planned").arg(ui::integerText(qint64(r.bytesWritten)))
                           : ui::integerText(qint64(r.bytesWritten)),
                     good(equal), tr("Size of the weight files."));
    m_totals->addRow(tr("Codes that differ"), ui::integerText(qint64(codes)), good(codes == 0),
                     tr("Codes read back from the files against those of the run."));
    m_totals->addRow(tr("max |Δ| to the run"), ui::numberText(r.maxDelta, 3), Tone::Normal,
                     tr("Largest difference between a value in the files and the run's value."));
    m_totals->addRow(tr("NaN, Inf"), ui::integerText(qint64(notFinite)), good(notFinite == 0));
    m_totals->addRow(tr("Planned and done differ"),
                     tr("%1 of %2").arg(different).arg(ui::integerText(qint64(r.lines.size()))),
                     good(different == 0));
}

void ReceiptPane::showLines() {
    m_lines->clear();
    m_lines->setHorizontalHeaderLabels(
        {tr("tensor"), tr("planned"), tr("done"), tr("codes ≠"), tr("max |Δ|"), tr("NaN")});
    for (int c = 3; c < 6; ++c)
        m_lines->horizontalHeaderItem(c)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    for (const ReceiptLine& l : m_receipt->lines) {
        QList<QStandardItem*> items;
        for (const QString& text : {shortName(l.tensor), QString::fromStdString(l.planned),
                                    QString::fromStdString(l.done), ui::integerText(qint64(l.codesDiffering)),
                                    ui::numberText(l.maxDelta, 2), ui::integerText(qint64(l.notFinite))})
            items << new QStandardItem(text);
        items[0]->setToolTip(QString::fromStdString(l.tensor));
        items[1]->setToolTip(items[1]->text());
        items[2]->setToolTip(items[2]->text());
        for (int c = 3; c < 6; ++c)
            items[c]->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
        if (l.planned != l.done) {
            items[2]->setForeground(ui::theme().error);
            items[2]->setIcon(ui::icon(QStringLiteral("error"), ui::IconRole::Error));
        }
        m_lines->appendRow(items);
    }
    fitColumns();
    m_linesHead->setNote(tr("%1 tensors", nullptr, int(m_receipt->lines.size()))
                             .arg(ui::integerText(qint64(m_receipt->lines.size()))));
}

void ReceiptPane::fitColumns() {
    constexpr int kLeastName = 170, kMostOther = 136, kScrollBar = 12;
    m_table->horizontalHeader()->setStretchLastSection(false);
    int others = kScrollBar;
    for (int c = 1; c < m_lines->columnCount(); ++c) {
        m_table->resizeColumnToContents(c);
        m_table->setColumnWidth(c, std::min(m_table->columnWidth(c), kMostOther));
        others += m_table->columnWidth(c);
    }
    m_table->setColumnWidth(0, std::max(kLeastName, width() - others));
}

void ReceiptPane::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    if (m_receipt) fitColumns();
}

void ReceiptPane::showFiles() {
    m_files->clear();
    for (const auto& [name, sha] : m_receipt->files)
        m_files->addRow(QString::fromStdString(name), QString::fromStdString(sha),
                        ui::KeyValueGrid::Tone::Mono);
}

QString ReceiptPane::asText() const {
    if (!m_receipt) return {};
    QStringList lines{m_banner->text(), m_totals->asTsv()};
    lines << QStringLiteral("tensor\tplanned\tdone\tcodes differing\tmax delta\tnot finite");
    for (const ReceiptLine& l : m_receipt->lines)
        lines << QStringList{QString::fromStdString(l.tensor), QString::fromStdString(l.planned),
                             QString::fromStdString(l.done),   QString::number(l.codesDiffering),
                             QString::number(l.maxDelta),      QString::number(l.notFinite)}
                     .join(QLatin1Char('\t'));
    lines << m_files->asTsv();
    return lines.join(QLatin1Char('\n'));
}

} // namespace qs::app

// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/CarriedList.h"

#include "app/pages/ToneLabel.h"
#include "widgets/charts/ChartAxis.h"
#include "widgets/theme/Icons.h"

#include <QCoreApplication>
#include <QLocale>
#include <QVBoxLayout>

namespace qs::app {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(qs::app::CarriedList)
};

constexpr int kIcon = 14, kIconRoom = 20, kMostNames = 40;

/// A text behind its mark.
class CarriedLine final : public ToneLabel {
public:
    explicit CarriedLine(bool carried) : m_carried(carried) { setContentsMargins(kIconRoom, 0, 0, 0); }

protected:
    void paintEvent(QPaintEvent* event) override {
        ToneLabel::paintEvent(event);
        QPainter p(this);
        const double y = (fontMetrics().height() - kIcon) / 2.0;
        ui::paintIcon(p, QRectF(0, y, kIcon, kIcon),
                      m_carried ? QStringLiteral("tick") : QStringLiteral("close"),
                      m_carried ? ui::theme().ok : ui::theme().text3);
    }

private:
    bool m_carried;
};

QString filesText(const CarriedItem& item) {
    uint64_t bytes = 0;
    for (const auto& [name, size] : item.files)
        bytes += size;
    const QString text = Text::tr("%n other files, %1", nullptr, int(item.files.size()))
                             .arg(QLocale().formattedDataSize(qint64(bytes)));
    return item.carried ? text : Text::tr("%1, not used by this format").arg(text);
}

} // namespace

QString carriedText(const CarriedItem& item) {
    using Kind = CarriedItem::Kind;
    const auto orNot = [&](const QString& text) {
        return item.carried ? text : Text::tr("%1, no place in this format").arg(text);
    };
    switch (item.kind) {
    case Kind::Tokenizer:
        return orNot(Text::tr("Tokenizer, %1 tokens").arg(ui::groupedInteger(qint64(item.count))));
    case Kind::ChatTemplate:
        return orNot(Text::tr("Chat template"));
    case Kind::GenerationConfig:
        return orNot(Text::tr("Generation config"));
    case Kind::Calibration:
        return Text::tr("Calibration fingerprint %1").arg(QString::fromStdString(item.text.substr(0, 6)));
    case Kind::Recipe:
        return Text::tr("Recipe and versions");
    case Kind::OtherFiles:
        return filesText(item);
    }
    return {};
}

QString carriedHelp(const CarriedItem& item) {
    if (item.kind == CarriedItem::Kind::Calibration) return QString::fromStdString(item.text);
    if (item.kind == CarriedItem::Kind::Recipe)
        return Text::tr("quantoscope.json: every scheme, the source, calibration and versions");
    QStringList lines;
    for (size_t i = 0; i < item.files.size() && i < size_t(kMostNames); ++i)
        lines << QStringLiteral("%1  %2").arg(QString::fromStdString(item.files[i].first),
                                              QLocale().formattedDataSize(qint64(item.files[i].second)));
    if (item.files.size() > size_t(kMostNames))
        lines << Text::tr("and %n more", nullptr, int(item.files.size()) - kMostNames);
    return lines.join(QLatin1Char('\n'));
}

CarriedList::CarriedList(QWidget* parent) : QWidget(parent), m_lines(new QVBoxLayout(this)) {
    setObjectName(QStringLiteral("carriedList"));
    setAccessibleName(tr("Carried over"));
    m_lines->setContentsMargins(0, 0, 0, 0);
    m_lines->setSpacing(3);
    setItems({});
}

void CarriedList::setItems(const std::vector<CarriedItem>& items) {
    while (QLayoutItem* old = m_lines->takeAt(0)) {
        delete old->widget();
        delete old;
    }
    m_texts.clear();
    for (const CarriedItem& item : items)
        addLine(item);
    if (items.empty()) {
        auto* hint = new ToneLabel;
        hint->setText(tr("Listed once a run is complete."));
        m_lines->addWidget(hint);
    }
    setAccessibleDescription(m_texts.join(QStringLiteral("; ")));
}

void CarriedList::addLine(const CarriedItem& item) {
    auto* line = new CarriedLine(item.carried);
    line->setText(carriedText(item));
    line->setToolTip(carriedHelp(item));
    m_lines->addWidget(line);
    m_texts << line->text();
}

} // namespace qs::app

// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/SegmentedButtons.h"

#include "widgets/theme/Theme.h"

#include <QButtonGroup>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QPainter>
#include <QPainterPath>

namespace qs::ui {

namespace {

class Segment : public QAbstractButton {
public:
    Segment(const QString& text, SegmentedButtons* row) : QAbstractButton(row), m_row(row) {
        setText(text);
        setCheckable(true);
        setAttribute(Qt::WA_Hover);
        setFocusPolicy(Qt::StrongFocus);
        setSizePolicy(QSizePolicy::Minimum, QSizePolicy::Fixed);
    }
    QSize sizeHint() const override {
        const QFontMetrics fm(boldFont());
        return {fm.horizontalAdvance(text()) + 22, std::max(24, fm.height() + 6)};
    }

protected:
    void paintEvent(QPaintEvent*) override {
        const Theme& t = theme();
        QPainter p(this);
        p.setRenderHint(QPainter::Antialiasing);
        const bool first = m_row->segment(0) == this, last = m_row->segment(m_row->count() - 1) == this;
        const QRectF r = QRectF(rect()).adjusted(first ? 0.5 : -0.5, 0.5, -0.5, -0.5);
        QColor fill = isChecked() ? t.accent : (underMouse() && isEnabled() ? t.window : t.base);
        if (isDown()) fill = isChecked() ? blend(t.text, t.accent, 0.18) : t.header;
        if (!isEnabled()) fill = t.window;
        p.setPen(QPen(isChecked() && isEnabled() ? t.accent : t.strongBorder, 1));
        p.setBrush(fill);
        p.drawPath(shape(r, first, last));
        const QAbstractButton* before = m_row->segment(m_row->indexOf(this) - 1);
        if (isChecked() && isEnabled() && before && before->isChecked())
            p.fillRect(QRectF(0, 1, 1, height() - 2), blend(t.onAccent, t.accent, 0.45));
        if (hasFocus()) {
            p.setPen(QPen(isChecked() ? t.onAccent : t.accent, 1));
            p.setBrush(Qt::NoBrush);
            p.drawRoundedRect(QRectF(rect()).adjusted(2.5, 2.5, -2.5, -2.5), 2, 2);
        }
        p.setFont(isChecked() ? boldFont() : font());
        p.setPen(!isEnabled() ? blend(t.text, t.window, 0.55) : (isChecked() ? t.onAccent : t.text));
        p.drawText(rect(), Qt::AlignCenter | Qt::TextHideMnemonic, text());
    }
    void keyPressEvent(QKeyEvent* event) override {
        const int step = event->key() == Qt::Key_Right ? 1 : (event->key() == Qt::Key_Left ? -1 : 0);
        if (step == 0) return QAbstractButton::keyPressEvent(event);
        QAbstractButton* next = m_row->segment(m_row->indexOf(this) + step);
        if (!next || !next->isEnabled()) return;
        next->setFocus(Qt::TabFocusReason);
        if (autoExclusive() || (group() && group()->exclusive())) next->click();
    }

private:
    static QPainterPath shape(const QRectF& r, bool first, bool last) {
        QPainterPath path;
        if (first && last) {
            path.addRoundedRect(r, 3, 3);
        } else if (first || last) {
            // Rounded on the outer side only: clip a rounded rectangle that reaches past the inner side.
            path.addRoundedRect(first ? r.adjusted(0, 0, 6, 0) : r.adjusted(-6, 0, 0, 0), 3, 3);
            QPainterPath box;
            box.addRect(r);
            path = path.intersected(box);
        } else {
            path.addRect(r);
        }
        return path;
    }
    SegmentedButtons* m_row;
};

} // namespace

SegmentedButtons::SegmentedButtons(const QStringList& texts, QWidget* parent)
    : QWidget(parent), m_layout(new QHBoxLayout(this)), m_group(new QButtonGroup(this)) {
    m_layout->setContentsMargins(0, 0, 0, 0);
    m_layout->setSpacing(0);
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    m_group->setExclusive(true);
    connect(m_group, &QButtonGroup::idToggled, this, [this](int id, bool on) {
        emit segmentToggled(id, on);
        if (on && m_group->exclusive()) emit currentChanged(id);
    });
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
    for (const QString& text : texts)
        addSegment(text);
}

int SegmentedButtons::addSegment(const QString& text, const QString& toolTip) {
    auto* segment = new Segment(text, this);
    segment->setToolTip(toolTip);
    const int id = count();
    m_segments.push_back(segment);
    m_layout->addWidget(segment);
    m_group->addButton(segment, id);
    if (id == 0 && m_group->exclusive()) segment->setChecked(true);
    return id;
}

int SegmentedButtons::indexOf(const QAbstractButton* segment) const {
    for (int i = 0; i < count(); ++i)
        if (m_segments[i] == segment) return i;
    return -1;
}

void SegmentedButtons::setExclusive(bool exclusive) {
    m_group->setExclusive(exclusive);
}
int SegmentedButtons::currentIndex() const {
    return m_group->checkedId();
}

void SegmentedButtons::setCurrentIndex(int index) {
    if (QAbstractButton* s = segment(index)) s->setChecked(true);
}

bool SegmentedButtons::isSegmentChecked(int index) const {
    return segment(index) && segment(index)->isChecked();
}

void SegmentedButtons::setSegmentChecked(int index, bool on) {
    if (QAbstractButton* s = segment(index)) s->setChecked(on);
}

void SegmentedButtons::setSegmentEnabled(int index, bool enabled, const QString& reason) {
    QAbstractButton* s = segment(index);
    if (!s) return;
    s->setEnabled(enabled);
    s->setToolTip(enabled ? QString() : reason);
}

} // namespace qs::ui

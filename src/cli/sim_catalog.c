/*
 * Names are put together from short lists, by the digits of a scrambled number: neighbours differ,
 * and no two of the first thousands are alike but for chance. Counties are tea counties as they
 * stand in GB/T 2260.
 */
#include "sim_catalog.h"

#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct tea_county {
    uint32_t code;
    const char *name;
    const char *tea;
};

/* Busiest first. */
static const struct tea_county counties[] = {
    {422828, "鹤峰", "富硒绿茶"}, {350524, "安溪", "铁观音"},   {350782, "武夷山", "大红袍"},
    {330106, "西湖", "龙井"},     {532822, "勐海", "普洱熟茶"}, {350982, "福鼎", "白毫银针"},
    {330523, "安吉", "白茶"},     {341024, "祁门", "红茶"},     {520328, "湄潭", "翠芽"},
    {430923, "安化", "黑茶"},     {422801, "恩施", "玉露"},     {411502, "浉河", "信阳毛尖"},
    {511803, "名山", "蒙顶甘露"}, {445103, "潮安", "凤凰单丛"}, {530921, "凤庆", "滇红"},
    {361130, "婺源", "绿茶"},     {341524, "金寨", "六安瓜片"}, {450181, "横州", "茉莉花茶"},
    {530802, "思茅", "普洱生茶"}, {441881, "英德", "英红九号"}, {520327, "凤冈", "锌硒茶"},
    {610924, "紫阳", "富硒毛尖"}, {433126, "古丈", "古丈毛尖"}, {500118, "永川", "秀芽"},
};

static const char *const surnames[] = {"田", "向", "覃", "陈", "林", "王", "李",
                                       "张", "黄", "吴", "周", "杨", "徐"};
static const char *const given[] = {"小茶", "大山", "春芽", "阿梅", "老师傅", "云雾",
                                    "月儿", "子安", "采薇", "阿强", "明前"};
static const char *const styles[] = {"的茶园", "说茶", "直播间", "", "爱喝茶", "茶厂直发", "助农"};
static const char *const grades[] = {"明前特级", "雨前一级", "手工", "古树",
                                     "头采",     "口粮",     "礼盒"};
static const char *const themes[] = {"春茶专场", "产地直播", "助农专场",  "品牌日",
                                     "新茶首发", "夜场福利", "老茶客之夜"};
static const char *const platforms[] = {"douyin", "kuaishou", "taobao", "douyin", "weixin"};
static const struct {
    const char *size;
    const char *unit;
    uint32_t price_yuan;
} packs[] = {
    {"50g", "罐", 29},   {"100g", "袋", 39},  {"125g", "罐", 68},  {"250g", "袋", 88},
    {"250g", "盒", 128}, {"357g", "饼", 168}, {"500g", "箱", 198},
};

/* Spreads small numbers over all 32 bits, the same everywhere. */
static uint32_t scramble(uint32_t number)
{
    number = (number ^ 61) * UINT32_C(0x9e3779b1);
    number ^= number >> 15;
    number *= UINT32_C(0x85ebca6b);
    return number ^ number >> 13;
}

static void append_number(struct buffer *out, const char *prefix, uint32_t number, uint32_t width)
{
    char digits[10];
    uint32_t count = 0;
    while (count < width || number > 0) {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    }
    buffer_append_text(out, prefix);
    while (count > 0) {
        buffer_append_byte(out, digits[--count]);
    }
}

void sim_append_host_id(struct buffer *out, uint32_t host)
{
    append_number(out, "host-", host + 1, 4);
}

void sim_append_product_id(struct buffer *out, uint32_t product)
{
    append_number(out, "tea-", product + 1, 6);
}

void sim_append_session_id(struct buffer *out, uint32_t host)
{
    append_number(out, "live-", host + 1, 4);
}

/* Earlier counties have more products: the lesser of two draws. */
static const struct tea_county *county_of(uint32_t product)
{
    uint32_t first = scramble(product) % COUNT(counties);
    uint32_t second = scramble(product + 0x10000000) % COUNT(counties);
    return &counties[product == 0 ? 0 : first < second ? first : second];
}

uint32_t sim_product_county(uint32_t product)
{
    return county_of(product)->code;
}

uint32_t sim_product_price(uint32_t product)
{
    uint32_t pack = scramble(product + 0x20000000) % COUNT(packs);
    uint32_t markup_yuan = scramble(product + 0x30000000) % 60;
    return (packs[pack].price_yuan + markup_yuan) * 100 - 10; /* 38.90, 127.90 … */
}

void sim_append_host(struct buffer *out, uint32_t host)
{
    uint32_t number = scramble(host);
    buffer_append_text(out, "{\"type\":\"host\",\"host_id\":\"");
    sim_append_host_id(out, host);
    buffer_append_text(out, "\",\"name\":\"");
    buffer_append_text(out, surnames[number % COUNT(surnames)]);
    buffer_append_text(out, given[number / 16 % COUNT(given)]);
    buffer_append_text(out, styles[number / 256 % COUNT(styles)]);
    buffer_append_text(out, "\"}");
}

void sim_append_product(struct buffer *out, uint32_t product)
{
    const struct tea_county *county = county_of(product);
    uint32_t pack = scramble(product + 0x20000000) % COUNT(packs);
    buffer_append_text(out, "{\"type\":\"product\",\"product_id\":\"");
    sim_append_product_id(out, product);
    buffer_append_text(out, "\",\"name\":\"");
    buffer_append_text(out, county->name);
    buffer_append_text(out, grades[scramble(product + 0x40000000) % COUNT(grades)]);
    buffer_append_text(out, county->tea);
    buffer_append_byte(out, ' ');
    buffer_append_text(out, packs[pack].size);
    buffer_append_text(out, "\",\"county\":\"");
    buffer_append_uint(out, county->code);
    buffer_append_text(out, "\",\"unit\":\"");
    buffer_append_text(out, packs[pack].unit);
    buffer_append_text(out, "\"}");
}

void sim_append_session(struct buffer *out, uint32_t host, int64_t start_time_ms)
{
    uint32_t number = scramble(host + 0x50000000);
    buffer_append_text(out, "{\"type\":\"session\",\"session_id\":\"");
    sim_append_session_id(out, host);
    buffer_append_text(out, "\",\"host_id\":\"");
    sim_append_host_id(out, host);
    buffer_append_text(out, "\",\"title\":\"");
    buffer_append_text(out, counties[number % COUNT(counties)].name);
    buffer_append_text(out, themes[number / 32 % COUNT(themes)]);
    buffer_append_text(out, "\",\"platform\":\"");
    buffer_append_text(out, platforms[number / 512 % COUNT(platforms)]);
    buffer_append_text(out, "\",\"goal\":");
    buffer_append_uint(out, (UINT64_C(1) + number / 4096 % 50) * 1000000); /* ¥10,000 … ¥500,000 */
    if (start_time_ms != 0) {
        buffer_append_text(out, ",\"starts_at\":");
        buffer_append_int(out, start_time_ms);
        buffer_append_text(out, ",\"ends_at\":");
        buffer_append_int(out, start_time_ms + 4 * 3600 * INT64_C(1000));
    }
    buffer_append_byte(out, '}');
}
